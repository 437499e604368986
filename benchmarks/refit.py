"""How accurate zeros are as they are cut, refitted at once (the first look) and refitted in order (repair).

    python -m benchmarks.refit [--criteria magnitude,dimap,taylor] [--ratios 0.8,0.9,0.95] [MODEL ...]

Top-1 on the whole validation split; 256 training images, whose labels only Taylor looks at. CPU seconds of one thread;
those of a first look without the moments, which are gathered once a model.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product

import torch

from dimap_core import pipeline
from dimap_core.cut import masked_weights
from dimap_core.measure import evaluate, masked
from dimap_core.types import InvalidPlan, PruningPlan

from .measured import share, store, table, top1

MODELS = ("swin-textured", "deit-textured")
SCOPES = ("model", "module")
COLUMNS = ("model", "criterion, scope", "removed", "zeros alone", "at once", "in order", "CPU s: at once", "in order")


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
    what = f"{plan.criterion}, {plan.scope}", f"{100 * (plan.ratio or 0):g} %"
    return [f"`{opened.info.name}`", *what, *found, *(f"{seconds:.2g}" for seconds in spent)]


def rows(names: list[str], criteria: list[str], ratios: list[float]) -> Iterator[list[str]]:
    """A row a model, criterion, scope and ratio, as far as that leaves every layer something."""
    for name in names:
        opened = pipeline.open_model(name)
        for criterion, scope, ratio in product(criteria, SCOPES, ratios):
            try:
                row = measure(opened, PruningPlan(criterion, "weight", scope, ratio))  # type: ignore[arg-type]
            except InvalidPlan as error:
                print(f"{name}, {criterion}, {scope}, {ratio:g}: {error}", file=sys.stderr)
                continue
            print(" | ".join(row), file=sys.stderr, flush=True)
            yield row


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=MODELS, metavar="MODEL")
    parser.add_argument("--criteria", default="magnitude,dimap,taylor")
    parser.add_argument("--ratios", default="0.8,0.9,0.95")
    given = parser.parse_args()
    torch.set_num_threads(1)
    found = list(rows(given.models, given.criteria.split(","), [float(ratio) for ratio in given.ratios.split(",")]))
    print(table(COLUMNS, found))
    store("refit", COLUMNS, found)


if __name__ == "__main__":
    main()
