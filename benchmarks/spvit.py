"""SPViT's search against cuts that need none, on all bundled models: the table of RESULTS.md.

    python -m benchmarks.spvit [MODEL ...] [--steps 150] [--macs 0.4] [--photos FOLDER [--judge N]]
                                         measure, write assets/spvit.json, print the table
    python -m benchmarks.spvit --table   print the table from what was measured before

At most 400 steps of search, then `--steps` of fine-tuning, without and with distillation from the dense model (the same
search). Beside it, fine-tuned without distillation: the same operations and counts with random hidden units for as many
steps, and DIMAP's structured cut with repair at the same MACs for as long as search and fine-tuning take.
Judged on the whole validation split, differences paired image by image; one seed. Latency: batches of 16, one thread,
dense and smaller model by turns. Settings of the search were fixed after one run on `deit-digits`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from dimap_core.models import BUNDLED
from dimap_core.pipeline import training_data
from dimap_core.training import method

from .judging import Images
from .searches import Benchmark, in_steps, last

_KEYS = (
    "n", "params", "macs", "top1_before", "top1_after", "top1_after_ci95", "against_dense", "macs_removed", "met",
    "latency_removed", "mixers", "hidden", "steps", "undisturbed_seconds", "search_steps", "search_seconds",
    "comparison",
)  # fmt: skip


def measure_model(name: str, source: Images, steps: int, macs: float) -> dict[str, Any]:
    """One search, fine-tuned in both ways, with its rivals."""
    spvit, images = method("spvit"), len(training_data(source.open(name)))
    found: dict[str, Any] = {"model": name, "steps": steps, "macs": macs, "load": round(os.getloadavg()[0], 1)}
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "plain"
        for kind in ("plain", "distilled"):
            opened, began = source.open(name), time.process_time()
            asked = spvit.suited(opened.info.data, macs, images=images, compare=kind == "plain",
                                 distill=kind == "distilled")  # fmt: skip
            asked = in_steps(asked, opened, {"finetuning": steps})
            if kind == "distilled":  # the same search
                shutil.copytree(state, Path(folder) / kind, ignore=shutil.ignore_patterns("tuned", "random", "one-*"))
            result = last(spvit.search(opened, asked, Path(folder) / f"{kind} out", Path(folder) / kind))
            found[kind] = {key: result[key] for key in _KEYS if key in result}
            found[kind]["cpu_seconds"] = round(time.process_time() - began)
            print(f"{name} {kind}: {found[kind]}", flush=True)
    return found


def table(rows: list[dict[str, Any]]) -> str:
    """The table of RESULTS.md."""
    lines = [
        "| model, MACs removed | SPViT | distilled | random units | DIMAP + repair + training | SPViT − random | "
        "SPViT − DIMAP | search, training |",
        "|" + "---|" * 8,
    ]
    for row in rows:
        plain, distilled = row["plain"], row["distilled"]
        rivals = {found["key"]: found for found in plain["comparison"]["rows"]}
        cells = [
            f"`{row['model']}`, {100 * plain['macs_removed']:.0f} % (time −{100 * plain['latency_removed']:.0f} %)",
            f"{100 * plain['top1_before']:.1f} > {_top1(plain['top1_after'], plain['top1_after_ci95'])}",
            _top1(distilled["top1_after"], distilled["top1_after_ci95"]),
            *(
                f"{100 * rivals[key]['top1_before']:.1f} > {_top1(rivals[key]['top1'], rivals[key]['ci95'])}"
                for key in ("random", "one-shot")
            ),
            *(_change(rivals[key]["difference"]) for key in ("random", "one-shot")),
            f"{plain['search_seconds']:.0f} + {plain['undisturbed_seconds'] - plain['search_seconds']:.0f} s",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _top1(value: float, interval: list[float]) -> str:
    return f"{100 * value:.1f} ±{50 * (interval[1] - interval[0]):.1f}"


def _change(difference: list[float]) -> str:
    value, low, high = (100 * share for share in difference)
    return f"{value:+.1f} [{low:.1f}, {high:.1f}]"


BENCHMARK = Benchmark("spvit", __doc__, measure_model, table, [spec.name for spec in BUNDLED], steps=150, macs=0.4)


def main() -> None:
    """Measure what the command line asks for."""
    BENCHMARK.run(BENCHMARK.parser().parse_args())


if __name__ == "__main__":
    main()
