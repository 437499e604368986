"""NViT against a one-shot cut with as much training, on all bundled models: the table of RESULTS.md.

    python -m benchmarks.nvit [MODEL ...] [--steps 160] [--macs 0.5] [--photos FOLDER [--judge N]]
                                                      measure, write assets/nvit.json, print the table
    python -m benchmarks.nvit --latency [MODEL ...]   how well the latency table predicts
    python -m benchmarks.nvit --table                 print the table from what was measured before

NViT: half of the steps search, half fine-tune. One shot: structured DIMAP (scope module) with least-squares repair,
then distilled recovery for 1.3 times as many steps: they cost as much as NViT's, whose first half trains the dense
widths. Steps instead of seconds, so that a busy machine does not decide. Judged on the whole validation split, NViT
minus one shot paired image by image; one seed. The weight of NViT's cost term was chosen on `swin-textured`'s
validation split. Latency: batches of 16, one thread, dense and smaller model by turns.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dimap_core import pipeline
from dimap_core.measure import estimate, measure_latency
from dimap_core.models import BUNDLED
from dimap_core.training import (
    LatencyCost,
    Units,
    drawn,
    latency_cost,
    nvit,
    preset_settings,
    recovery,
    undisturbed,
)
from dimap_core.types import PruningPlan

from .judging import Images
from .searches import Benchmark, epoch, in_steps, last, last_answers

ONE_SHOT = {"DIMAP": PruningPlan("dimap", "structure", "module", None, budget=0.5, repair=True)}
_MORE = 1.3  # steps of a half-size student in the time of half dense, half small ones, each with a dense teacher


def measure_model(name: str, images: Images, steps: int, macs: float) -> dict[str, Any]:
    """NViT and the one-shot cut of one model, trained as long."""
    opened = images.open(name)
    judged = pipeline.default_data(opened)
    found: dict[str, Any] = {"model": name, "steps": steps, "macs": macs}
    answers = {}
    with tempfile.TemporaryDirectory() as folder:
        for method in ("NViT", *ONE_SHOT):
            began, out = time.process_time(), Path(folder) / method
            if method == "NViT":
                asked = nvit.suited_search(opened.info.data, macs)
                asked = in_steps(asked, opened, {"training": steps / 2, "finetuning": steps / 2})
                result = last(nvit.search(opened, asked, out))
            else:
                plan = replace(ONE_SHOT[method], budget=macs)
                pruned = recovery.from_plan(images.open(name), plan)
                given = {"epochs": _MORE * steps / epoch(opened), "distill": "soft"}
                result = last(recovery.recover(pruned, preset_settings("suited", opened.info.data, given), out))
            cpu = time.process_time() - began
            smaller = pipeline.open_model(str(out))
            answers[method] = last_answers(smaller, judged)
            (row,) = measure_latency(opened.model, smaller.model, opened.info.input_size, (16,))
            keys = ("n", "params", "macs", "top1_before", "top1_after", "top1_after_ci95", "against_dense")
            found[method] = {key: result[key] for key in keys}
            found[method] |= {"latency_removed": row.removed, "cpu_seconds": round(cpu), "steps": result["steps"]}
            found[method] |= {"kept": result.get("kept")}
            print(f"{name} {method}: {found[method]}", flush=True)
    for method in ONE_SHOT:
        change = estimate(answers["NViT"], judged, answers[method]).drops["joint"]
        found[f"NViT - {method}"] = [change.value, change.low, change.high]
    dense = estimate(last_answers(opened, judged), judged)
    found["dense"] = [dense.top1.value, dense.top1.low, dense.top1.high]
    return found


def latency_error(name: str, models: int = 12) -> None:
    """Predicted against freshly measured share of the dense model's time, for random cuts."""
    opened = pipeline.open_model(name)
    for cost in latency_cost(opened.model, opened.info, Units(opened.model, opened.anatomy)):  # noqa: B007
        pass
    assert isinstance(cost, LatencyCost)
    images = torch.randn(cost.batch, 3, opened.info.input_size, opened.info.input_size)
    errors = []
    for seed in range(1000, 1000 + models):  # others than the table was fitted to
        units = drawn(Units(opened.model, opened.anatomy), seed)
        smaller = units.extract().eval()
        with torch.inference_mode():
            turns = [(undisturbed(opened.model, images), undisturbed(smaller, images)) for _ in range(15)]
        dense, small = (min(column) for column in zip(*turns, strict=True))
        errors.append(cost.share(units.all_widths()) - small / dense)
    mean, worst = 100 * np.mean(np.abs(errors)), 100 * np.max(np.abs(errors))
    print(f"{name}: {models} random cuts, batch {cost.batch}, error of the predicted share of the dense time: "
          f"mean {100 * np.mean(errors):+.1f}, absolute {mean:.1f}, worst {worst:.1f} points")  # fmt: skip


def table(rows: list[dict[str, Any]]) -> str:
    """The table of RESULTS.md."""
    lines = ["| MACs removed | dense | NViT | DIMAP + repair + training | NViT − DIMAP, paired |", "|" + "---|" * 5]
    for row in rows:
        cells = [f"{100 * row['macs']:.0f} % of `{row['model']}`", f"{100 * row['dense'][0]:.1f}"]
        for method in ("NViT", *ONE_SHOT):
            found = row[method]
            half = 50 * (found["top1_after_ci95"][1] - found["top1_after_ci95"][0])
            start, end = 100 * found["top1_before"], 100 * found["top1_after"]
            cells.append(f"{start:.1f} > {end:.1f} ±{half:.1f}, −{100 * found['latency_removed']:.0f} % of time")
        for method in ONE_SHOT:
            value, low, high = (100 * share for share in row[f"NViT - {method}"])
            cells.append(f"{value:+.1f} [{low:.1f}, {high:.1f}]")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


BENCHMARK = Benchmark("nvit", __doc__, measure_model, table, [spec.name for spec in BUNDLED], steps=160, macs=0.5)


def main() -> None:
    """Measure what the command line asks for."""
    parser = BENCHMARK.parser()
    parser.add_argument("--latency", action="store_true")
    given = parser.parse_args()
    if not given.latency:
        BENCHMARK.run(given)
        return
    torch.set_num_threads(1)
    for name in given.models:
        latency_error(name)


if __name__ == "__main__":
    main()
