"""Which method wins at this budget: whole methods on all bundled models, for the Compare page and RESULTS.md.

    python -m benchmarks.methods [MODEL ...] [--budgets 0.35 0.5] [--methods KEY ...] [--steps 160] [--again]
                                 [--photos FOLDER [--judge N]]
    python -m benchmarks.methods --table        print the tables from what was measured before

Each row goes to assets/methods.json at once; rows that are there are not measured again without --again. DIMAP: scope
module, at single weights and at structures; fine-tuning distilled. `found`: what `benchmarks.find` chose before, with
its seconds. A search spends half of the steps on searching and half on fine-tuning (SPViT searches until its gates meet
the budget); DIMAP fine-tunes for 1.3 times as many steps: they cost as much as a search's, whose first half trains the
dense widths. Steps instead of seconds, so that a busy machine does not decide; CPU seconds stand beside them. Judged on
the whole validation split (`--judge N`: N photographs of it), one seed. Latency: batches of 16, the shortest of 21 runs
of the dense and the smaller model by turns, in processor time of one thread, so that other work does not count.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from dimap_core import pipeline
from dimap_core.models import BUNDLED
from dimap_core.pipeline import results
from dimap_core.training import (
    BUDGETS,
    METHODS,
    Interval,
    Measurement,
    comparison,
    method,
    preset_settings,
    recovery,
    undisturbed,
)
from dimap_core.types import PruningPlan

from .find import chosen
from .judging import Images, asked, command_line
from .measured import store
from .searches import epoch, in_steps, last

_MORE = 1.3  # steps of a half-size student in the time of half dense, half small ones, each with a dense teacher
_AT_MOST = {"spvit": 400}  # steps of a search that ends by itself, where its gates meet the budget
_BATCH, _RUNS = 16, 21
STRUCTURES = PruningPlan("dimap", "structure", "module", None)
PLANS = {
    "dimap-weight": PruningPlan("dimap", "weight", "module", None),
    "dimap": STRUCTURES,
    "dimap-repair": replace(STRUCTURES, repair=True),
    "dimap-tuned": replace(STRUCTURES, repair=True),
}
FOUND = "found"
SEARCHES = tuple(row.key for row in METHODS)


class Made(NamedTuple):
    """A smaller model, its accuracy before and after training, how many steps it trained, and its `pipeline.counts`."""

    model: torch.nn.Module
    n: int
    before: Interval
    after: Interval | None
    steps: int
    counts: dict[str, int]


def searched(opened: pipeline.Opened, key: str, budget: float, steps: int, out: Path) -> Made:
    """A whole search, `steps` in both halves together."""
    row, lengths = method(key), {"training": _AT_MOST.get(key, steps / 2), "finetuning": steps / 2}
    asked = in_steps(row.suited(opened.info.data, budget, seed=0), opened, lengths)
    result = last(row.search(opened, asked, out))
    return _made(result, out, result["steps"] + result.get("search_steps", round(steps / 2)))


def tuned(opened: pipeline.Opened, plan: PruningPlan, steps: int, out: Path) -> Made:
    """A cut, trained for `_MORE` times the steps of a search."""
    given = {"epochs": _MORE * steps / epoch(opened), "distill": "soft"}
    settings = preset_settings("suited", opened.info.data, given)
    return _made(last(recovery.recover(recovery.from_plan(opened, plan), settings, out)), out, round(_MORE * steps))


def cut(opened: pipeline.Opened, plan: PruningPlan) -> Made:
    """A cut as it is."""
    model, _, cost = pipeline.prune(opened, plan)
    found = pipeline.judge_fully(opened, pipeline.default_data(opened), plan)
    return Made(model, found.n, _interval(found), None, 0, results.counts(cost.total, plan.granularity))


def _made(result: dict[str, Any], out: Path, steps: int) -> Made:
    before, after = ((result[key], *result[f"{key}_ci95"]) for key in ("top1_before", "top1_after"))
    smaller = pipeline.open_model(str(out)).model
    return Made(smaller, result["n"], before, after, steps, {key: result[key] for key in ("params", "macs")})


def _interval(estimate: Any) -> Interval:
    return estimate.top1.value, estimate.top1.low, estimate.top1.high


def measured(model: str, images: Images, key: str, budget: float, steps: int) -> Measurement:
    """One row of the table; nothing that an earlier row made is used again. Raises LookupError like `find.chosen`."""
    opened = images.open(model)
    dense = pipeline.judge_fully(opened, pipeline.default_data(opened))
    with tempfile.TemporaryDirectory() as folder:
        began, out = time.process_time(), Path(folder) / "out"
        if key in SEARCHES:
            made = searched(opened, key, budget, steps, out)
        elif key == "dimap-tuned":
            made = tuned(opened, replace(PLANS[key], budget=budget), steps, out)
        elif key == FOUND:
            _, plan, searching = chosen(model, budget)
            made, began = cut(opened, plan), began - searching
        else:
            made = cut(opened, replace(PLANS[key], budget=budget))
        cpu = time.process_time() - began
    total = pipeline.dense_cost(opened).total
    params, macs = (results.kept_count(made.counts, what) for what in ("params", "macs"))
    return Measurement(
        model, key, budget, made.n, _interval(dense), made.before, made.after, **made.counts,
        params_removed=1 - params / total.params, macs_removed=1 - macs / total.macs,
        latency_removed=_time_saved(opened, made.model), batch=_BATCH, steps=made.steps, cpu_seconds=round(cpu, 1),
    )  # fmt: skip


def _time_saved(opened: pipeline.Opened, smaller: torch.nn.Module) -> float:
    """Share of the dense model's time."""
    noise = torch.randn(_BATCH, 3, opened.info.input_size, opened.info.input_size)
    pair = (opened.model, smaller.eval())
    with torch.inference_mode():
        turns = [[undisturbed(model, noise) for model in pair] for _ in range(_RUNS)]
    dense, small = (min(column) for column in zip(*turns, strict=True))
    return 1 - small / dense


def tables(rows: Iterable[Measurement]) -> str:
    """The tables of RESULTS.md, one a budget: a line a method, a column a model; top-1 in %, change of time."""
    rows = list(rows)
    return "\n\n".join(_table(rows, budget) for budget in BUDGETS if any(row.budget == budget for row in rows))


def _table(rows: list[Measurement], budget: float) -> str:
    found = {(row.model, row.method): row for row in rows if row.budget == budget}
    dense = {row.model: f"dense {_share(row.dense)}, n = {row.n:,}" for row in found.values()}
    models = [spec.name for spec in BUNDLED if spec.name in dense]
    lines = [" | ".join([f"{100 * budget:.0f} % of MACs removed", *(f"`{name}`, {dense[name]}" for name in models)])]
    lines.append("|".join("---" for _ in [0, *models]))
    for way in comparison.WAYS:
        cells = [found.get((name, way.key)) for name in models]
        if any(cells):
            lines.append(" | ".join([way.label, *map(_cell, cells)]))
    return "\n".join(f"| {line} |" for line in lines)


def _cell(row: Measurement | None) -> str:
    if row is None:
        return "–"
    accuracy = f"{_share(row.before)} > {_share(row.after)}" if row.after else _share(row.before)
    trained = f", {row.cpu_seconds:.0f} CPU s" if row.steps else ""
    zeros = comparison.way(row.method).zeros
    time_saved = "not faster" if zeros else f"{100 * -row.latency_removed:+.0f} % time"
    return f"{accuracy}, {time_saved}{trained}".replace("-", "−")


def _share(found: Interval) -> str:
    """A share in % with half the width of its 95 % Wilson interval."""
    return f"{100 * found[0]:.1f} ±{50 * (found[2] - found[1]):.1f}"


def main() -> None:
    """Measure what the command line asks for and is not there yet, then print the tables."""
    known = [*PLANS, FOUND, *SEARCHES]
    parser = command_line(__doc__, [spec.name for spec in BUNDLED])
    parser.add_argument("--budgets", nargs="+", type=float, default=BUDGETS)
    parser.add_argument("--methods", nargs="+", default=known, choices=known)
    parser.add_argument("--steps", type=int, default=160)
    parser.add_argument("--again", action="store_true", help="measure rows anew that are there")
    parser.add_argument("--table", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows = {row.key: row for row in comparison.read()}
    names, images = ([], Images()) if given.table else asked(given)
    possible = set(comparison.wanted())
    for name, budget, key in itertools.product(names, given.budgets, given.methods):
        place = name, key, budget
        if place not in possible or (place in rows and not given.again):
            continue
        try:
            rows[place] = measured(name, images, key, budget, given.steps)
        except LookupError as error:
            print(error, file=sys.stderr)
            continue
        comparison.write(rows.values())
        store("methods", model=name, photos=images.told(name))
        print(rows[place], flush=True)
    print(tables(comparison.read()))


if __name__ == "__main__":
    main()
