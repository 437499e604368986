"""What each part of the APMA-style search is worth: the search with that part off, against the full one.

    python -m benchmarks.apma [MODEL ...] [--steps 160] [--macs 0.5] [--photos FOLDER [--judge N]]
                                        measure, write assets/apma.json, print the table
    python -m benchmarks.apma --table   print the table from what was measured before

Half of the steps search, half fine-tune; equal steps, one seed. Judged on the whole validation split, after the cut and
after training, each difference to the full method paired image by image. Without equal heads the search counts the
channels that are kept, and padding leaves more MACs than that: the table says how many.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from dimap_core import pipeline
from dimap_core.measure import Predictions, estimate
from dimap_core.training import apma

from .judging import PHOTOGRAPHS, Images
from .searches import Benchmark, in_steps, last, last_answers

MODELS = ("swin-textured", "deit-textured", *PHOTOGRAPHS)
Answers = tuple[Predictions, Predictions]


def one_search(name: str, images: Images, steps: int, macs: float, **switches: bool) -> tuple[dict[str, Any], Answers]:
    """What a search came to, with the answers of its model after the cut and after training."""
    opened = images.open(name)
    judged = pipeline.default_data(opened)
    asked = apma.suited_search(opened.info.data, macs, **switches)
    asked = in_steps(asked, opened, {"training": steps / 2, "finetuning": steps / 2})
    began = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        result = last(apma.search(opened, asked, place / "out", place / "state"))
        spent = time.process_time() - began
        places = (place / "state" / "found", place / "out")
        before, after = (last_answers(pipeline.open_model(str(found)), judged) for found in places)
    keys = (
        "n", "params", "macs", "top1_before", "top1_before_ci95", "top1_after", "top1_after_ci95", "macs_removed",
        "left",
    )  # fmt: skip
    return {key: result[key] for key in keys} | {"cpu_seconds": round(spent)}, (before, after)


def measure_model(name: str, images: Images, steps: int, macs: float) -> dict[str, Any]:
    """The full search of one model, and those without each part."""
    judged = pipeline.default_data(images.open(name))
    full, whole = one_search(name, images, steps, macs)
    print(name, full, flush=True)
    found: dict[str, Any] = {"model": name, "steps": steps, "budget_macs": macs, "full": full, "without": []}
    for part in apma.PARTS:
        row, answers = one_search(name, images, steps, macs, **{part: False})
        row |= {"part": part}
        for when, own, other in zip(("before", "after"), answers, whole, strict=True):
            change = estimate(own, judged, other).drops["joint"]
            row[f"change_{when}"] = [change.value, change.low, change.high]
        found["without"].append(row)
        print(name, row, flush=True)
    return found


def table(rows: list[dict[str, Any]]) -> str:
    """The table of RESULTS.md."""
    lines = ["| model, MACs removed | without | after the cut | after training |", "|" + "---|" * 4]
    for found in rows:
        full = found["full"]
        shares = [f"{100 * full[key]:.1f} [{', '.join(f'{100 * end:.1f}' for end in full[key + '_ci95'])}]"
                  for key in ("top1_before", "top1_after")]  # fmt: skip
        removed = f"{100 * full['macs_removed']:.1f} %, n = {full['n']:,}"
        lines.append(f"| `{found['model']}`, {removed} | nothing | " + " | ".join(shares) + " |")
        for row in found["without"]:
            cells = [" ".join((f"{100 * c[0]:+.1f}", f"[{100 * c[1]:.1f}, {100 * c[2]:.1f}]"))
                     for c in (row["change_before"], row["change_after"])]  # fmt: skip
            lines.append(
                f"| {100 * row['macs_removed']:.1f} % | {apma.PARTS[row['part']]} | " + " | ".join(cells) + " |"
            )
    return "\n".join(lines)


BENCHMARK = Benchmark("apma", __doc__, measure_model, table, MODELS, steps=160, macs=0.5, by=("model",))


def main() -> None:
    """Measure what the command line asks for."""
    BENCHMARK.run(BENCHMARK.parser().parse_args())
    print("\nWithout a part: " + "; ".join(f"{apma.PARTS[part]}: {what}" for part, what in apma.WITHOUT.items()) + ".")


if __name__ == "__main__":
    main()
