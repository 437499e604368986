"""How accurate cuts are as they are, refitted at once (the first look) and refitted in order (repair).

    python -m benchmarks.refit [--ratios 0.8,0.9,0.95] [--structures 0.5,0.7,0.8,0.9] [MODEL ...]
                               [--photos FOLDER [--judge N]]

Zeros by the ratio of weights, structures by the share of MACs. Top-1 on all validation images (`--judge N`: N
photographs of them); 256 training images, whose labels only Taylor looks at. CPU seconds of one thread; those of a
first look without the moments, which are gathered once a model. Rows of a run before are replaced one by one.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import product

import torch

from dimap_core import pipeline
from dimap_core.cut import masked_weights
from dimap_core.measure import evaluate, masked
from dimap_core.types import InvalidPlan, PruningPlan

from .judging import PHOTOGRAPHS, asked, command_line
from .measured import share, store, stored, table, top1

MODELS = ("swin-textured", "deit-textured", *PHOTOGRAPHS)
ZEROS = tuple(product(("magnitude", "dimap", "taylor"), ("model", "module")))
STRUCTURES = (("magnitude", "layer", 0.0), ("dimap", "module", 0.0), ("taylor", "model", 1.0), ("fisher", "model", 1.0))
COLUMNS = ("model", "criterion, scope", "removed", "as cut", "at once", "in order", "CPU s: at once", "in order")


def accuracy(opened: pipeline.Opened, weights: Mapping[str, torch.Tensor]) -> str:
    """Top-1 in % with half the width of its 95 % interval."""
    run = masked(opened.model, weights)
    *_, (estimate, _) = evaluate(opened.model, opened.info, pipeline.default_data(opened), run)
    return share(top1(estimate))


def measure(opened: pipeline.Opened, plan: PruningPlan) -> list[str]:
    """A row of the table."""
    selection, _ = pipeline.apply_plan(opened, plan)
    scores = pipeline.score(opened, plan)
    for _ in pipeline.prepare_preview(opened, plan):
        pass
    begun = time.process_time()
    at_once = pipeline.preview_weights(opened, plan)
    quick = time.process_time()
    for _ in pipeline.prepare(opened, replace(plan, repair=True)):
        pass
    spent = quick - begun, time.process_time() - quick
    *_, in_order = opened.repaired.values()
    plain = masked_weights(opened.model, opened.anatomy, scores, selection)
    found = [accuracy(opened, weights) for weights in (plain, at_once, in_order)]
    cut = f"{100 * plan.budget:g} % of MACs, structures" if plan.budget else f"{100 * (plan.ratio or 0):g} %"
    what = f"{plan.criterion}, {plan.scope}" + (", per MAC" if plan.cost_exponent else ""), cut
    return [f"`{opened.info.name}`", *what, *found, *(f"{seconds:.2g}" for seconds in spent)]


def plans(ratios: Iterable[float], shares: Iterable[float]) -> Iterator[PruningPlan]:
    """Zeros by criterion, scope and ratio, then structures by criterion, scope, exponent and share."""
    for (criterion, scope), ratio in product(ZEROS, ratios):
        yield PruningPlan(criterion, "weight", scope, ratio)  # type: ignore[arg-type]
    for (criterion, scope, exponent), budget in product(STRUCTURES, shares):
        yield PruningPlan(criterion, "structure", scope, None, budget=budget, cost_exponent=exponent)  # type: ignore[arg-type]


def main() -> None:
    """Measure and print a table."""
    parser = command_line(__doc__, MODELS)
    parser.add_argument("--ratios", default="0.8,0.9,0.95")
    parser.add_argument("--structures", default="0.5,0.7,0.8,0.9")
    given = parser.parse_args()
    torch.set_num_threads(1)
    known = {tuple(row[:3]): list(row) for row in stored("refit").rows}
    names, images = asked(given)
    for name in names:
        opened, photos = images.open(name), images.told(name)
        for plan in plans(*(map(float, filter(None, text.split(","))) for text in (given.ratios, given.structures))):
            try:
                row = measure(opened, plan)
            except InvalidPlan as error:
                print(f"{name}, {plan}: {error}", file=sys.stderr)
                continue
            print(" | ".join(row), file=sys.stderr, flush=True)
            known[tuple(row[:3])] = row
            store("refit", COLUMNS, known.values(), name, photos)
    print(table(COLUMNS, known.values()))


if __name__ == "__main__":
    main()
