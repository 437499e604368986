"""What the benchmarks of searches share: their command line, lengths in steps, and what a search came to.

Next door: `measured` keeps tables, `nvit`, `spvit`, `apma` and `methods` measure.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from dimap_core import pipeline
from dimap_core.measure import Predictions, evaluate
from dimap_core.training import Settings, recovery
from dimap_core.types import ASSETS, LabelledImages

from .judging import Images, asked, command_line
from .measured import store

Row = dict[str, Any]


@dataclass(frozen=True)
class Benchmark:
    """A search's benchmark: `measure(model, images, steps, macs)` makes a row of assets/KEY.json, `table` what
    RESULTS.md shows of them; `models`, `steps` and `macs` unless the command line names others. Rows are told apart by
    `by`."""

    key: str
    about: str
    measure: Callable[[str, Images, int, float], Row]
    table: Callable[[list[Row]], str]
    models: Sequence[str]
    steps: int
    macs: float
    by: tuple[str, ...] = ("model", "macs")

    @property
    def file(self) -> Path:
        """Where the rows lie."""
        return ASSETS / f"{self.key}.json"

    def parser(self) -> argparse.ArgumentParser:
        """The command line."""
        parser = command_line(self.about, self.models)
        parser.add_argument("--steps", type=int, default=self.steps)
        parser.add_argument("--macs", type=float, default=self.macs)
        parser.add_argument("--table", action="store_true")
        return parser

    def run(self, given: argparse.Namespace) -> None:
        """Measure what is asked for, keep every row at once, and print the table."""
        torch.set_num_threads(1)
        rows = json.loads(self.file.read_text("utf-8")) if self.file.exists() else []
        names, images = ([], Images()) if given.table else asked(given)
        for name in names:
            new = self.measure(name, images, given.steps, given.macs)
            rows = [*(row for row in rows if any(row[key] != new[key] for key in self.by)), new]
            self.file.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")
            store(self.key, model=name, photos=images.told(name))
        print(self.table(rows))


def last(events: recovery.Events) -> Row:
    """The result of a search or recovery."""
    *_, event = events
    return event["result"]


def last_answers(opened: pipeline.Opened, judged: LabelledImages) -> Predictions:
    """The model's predictions; a checkpoint doesn't know the photographs that judge it by their name."""
    *_, (_, answers) = evaluate(opened.model, replace(opened.info, data=judged.name), judged)
    return answers


def epoch(opened: pipeline.Opened) -> int:
    """Steps of one pass over the training images."""
    return -(-len(pipeline.training_data(opened)) // Settings.batch_size)


def in_steps(search: Any, opened: pipeline.Opened, steps: Mapping[str, float]) -> Any:
    """What a search is asked for, with its phases as long as `steps` says: steps by "training" and "finetuning"."""
    length = epoch(opened)
    return replace(
        search, **{name: replace(getattr(search, name), epochs=n / length, seconds=None) for name, n in steps.items()}
    )
