"""DIMAP's one-shot table (Table 3 of arXiv 2404.13648) measured again: uniform magnitude against DIMAP at equal shares
of parameters removed, no fine-tuning, on ImageNet's validation images.

Days of one CPU, so every few images a line goes to a journal, and a run that finds its lines there continues.
Next door: `models.published` holds the paper's figures, `pipeline` opens and cuts, `measure.accuracy` judges,
`cli.reproduce` prints.
"""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import pipeline
from ..data import stratified_order
from ..measure import predict_to_end, wilson
from ..models import publication
from ..pipeline import Opened, judged_by_name
from ..plan import to_recipe
from ..types import DataError, LabelledImages, PruningPlan, duration, told

MODELS = {size: f"{size}_patch4_window7_224.ms_in1k" for size in ("swin_tiny", "swin_small", "swin_base")}
"""The weights trained on ImageNet-1k alone, as the paper's dense figures are; timm's default ones saw ImageNet-22k."""

METHODS = {"uniform": ("magnitude", "layer"), "dimap": ("dimap", "module")}
_EVERY = 200  # images between two lines of the journal


@dataclass(frozen=True)
class Point:
    """One cell of the table: `share` of all parameters removed, 0..1; `published` top-1 in %."""

    model: str
    method: str
    share: float
    published: float

    @property
    def plan(self) -> PruningPlan | None:
        """What is cut; nothing for the dense model."""
        if self.method == "dense":
            return None
        criterion, scope = METHODS[self.method]
        return PruningPlan(criterion, scope=scope, ratio=None, budget=self.share, budget_kind="params")  # type: ignore[arg-type]


def points(model: str) -> list[Point]:
    """A model's column: dense, then both methods at each share; raises DataError for a model the table has not."""
    table = publication("dimap").content["table3"]
    if model not in MODELS:
        raise DataError(f"Table 3 has no '{model[:80]}'; it has {', '.join(MODELS)}.")
    found = [Point(model, "dense", 0.0, table["dense"][model])]
    for place, share in enumerate(table["shares"]):
        found += [Point(model, method, share, table[method][model][place]) for method in METHODS]
    return found


@dataclass
class Journal:
    """What was measured so far, a JSON line each in `path`: which model, images and plan, and how many were right."""

    path: Path
    lines: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Read what an earlier run left; a last line that was cut short is done without."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.touch()
            text = self.path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(
                f"'{self.path}' cannot be used to keep what is measured ({type(error).__name__}); choose another --out."
            ) from error
        for line in text.splitlines():
            try:
                self.lines.append(json.loads(line))
            except ValueError:
                continue
        if text and not text.endswith("\n"):
            self._append("\n")

    def reached(self, key: dict[str, Any], limit: int) -> tuple[int, int]:
        """(images judged, of these right) by earlier runs, of the first `limit`."""
        known = [(line["n"], line["correct"]) for line in self.lines if line.get("of") == key and line["n"] <= limit]
        return max(known, default=(0, 0))

    def add(self, key: dict[str, Any], n: int, correct: int) -> None:
        """Keep a step."""
        self.lines.append({"of": key, "n": n, "correct": correct})
        self._append(json.dumps(self.lines[-1]) + "\n")

    def _append(self, text: str) -> None:
        with told(self.path, DataError, "another --out"), self.path.open("a", encoding="utf-8") as file:
            file.write(text)


def run(
    columns: Iterable[list[Point]], folder: str, journal: Journal, weights: str = "pretrained", limit: int | None = None
) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """Yield (what is under way, None) after every batch and (what is done, its row) after every cell.

    `columns`: of `points`, one a model. `weights`: random ones are judged too, for the mechanics; their accuracy means
    nothing. Raises DataError where the images cannot be used.
    """
    for column in columns:
        # All images: `limit` is a prefix of their order, so that a longer run goes on from a shorter one.
        opened, data = judged_by_name(pipeline.open_model(MODELS[column[0].model], weights), folder)
        yield opened.notice, None
        total = min(len(data), limit or len(data))
        for later, point in zip(range(len(column) - 1, -1, -1), column, strict=True):
            name = f"{point.model}, {point.method}" + (f" at {point.share:.0%}" if point.plan else "")
            known = journal.reached(_key(opened, data, point.plan), total)
            for known, seconds in _judged(opened, data, point.plan, journal, known, total):  # noqa: B020
                share = wilson(known[1], known[0])
                so_far = f"{known[0]:,} of {total:,} images, {share.low:.1%} to {share.high:.1%} right so far"
                cell = seconds * (total - known[0])
                column_left = f"{duration(cell + seconds * later * total)} for {point.model}"
                yield f"{name}: {so_far}, about {duration(cell)} left for this cell, {column_left}", None
            yield f"{name}: done", _row(opened, point, *known)


def _judged(
    opened: Opened,
    data: LabelledImages,
    plan: PruningPlan | None,
    journal: Journal,
    known: tuple[int, int],
    total: int,
) -> Iterator[tuple[tuple[int, int], float]]:
    """Judge the images after those `known`; yields ((judged, right), seconds an image) after every batch."""
    key, order = _key(opened, data, plan), stratified_order(data.labels)
    (first, correct), kept, begun = known, known[0], time.monotonic()
    n = first
    run = None if plan is None or n >= total else pipeline.runner(opened, data, plan, None)
    for batch in predict_to_end(opened.model, opened.info, data, run, total, opened.sizes, start=first):
        correct += int((batch.classes == data.labels[order[n : n + len(batch.classes)]]).sum())
        n += len(batch.classes)
        if n - kept >= _EVERY or n >= total:
            journal.add(key, n, correct)
            kept = n
        yield (n, correct), (time.monotonic() - begun) / (n - first)


def _key(opened: Opened, data: LabelledImages, plan: PruningPlan | None) -> dict[str, Any]:
    """What a count of right answers depends on."""
    return {
        "weights": opened.info.fingerprint,
        "data": data.name,
        "labels": zlib.crc32(data.labels.tobytes()),
        "plan": None if plan is None else to_recipe(plan),
    }


def _row(opened: Opened, point: Point, n: int, correct: int) -> dict[str, Any]:
    """A cell's row: the paper's top-1 and ours with n and 95 % interval, in %, and what was removed, shares 0..1."""
    share = wilson(correct, n)
    total = (
        pipeline.dense_cost(opened).total if point.plan is None else pipeline.apply_plan(opened, point.plan)[1].total
    )
    return {
        "model": point.model, "method": point.method, "params_removed": 1 - total.params_after / total.params,
        "macs_removed": 1 - total.macs_after / total.macs, "published": point.published, "top1": 100 * share.value,
        "ci95": [100 * share.low, 100 * share.high], "n": n, "difference": 100 * share.value - point.published,
    }  # fmt: skip
