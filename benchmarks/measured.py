"""What benchmarks share whose measurements are kept under assets: the file, the command line, accuracies as text."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from dimap_core.bundled import BUNDLED


def read(file: Path) -> list[dict[str, Any]]:
    """What was measured before, in the bundled models' order."""
    known = {found["model"]: found for found in json.loads(file.read_text("utf-8"))} if file.exists() else {}
    return [known[spec.name] for spec in BUNDLED if spec.name in known]


def run(doc: str | None, file: Path, measure: Callable[[str], dict[str, Any]]) -> list[str]:
    """Measure the models that the command line names, unless it says --tables; each one's result goes to `file` at
    once. Returns the names."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=[spec.name for spec in BUNDLED], metavar="MODEL")
    parser.add_argument("--tables", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    known = {found["model"]: found for found in read(file)}
    for name in [] if arguments.tables else arguments.models:
        known[name] = measure(name)
        file.write_text("[\n" + ",\n".join(map(json.dumps, known.values())) + "\n]\n", encoding="utf-8")
    return arguments.models


def top1(estimate: Any) -> dict[str, Any]:
    """n and top-1 with its 95 % interval, as they are kept."""
    share = estimate.top1
    return {"n": estimate.n, "top1": round(share.value, 4), "ci95": [round(share.low, 4), round(share.high, 4)]}


def share(row: dict[str, Any]) -> str:
    """A share in % with half the width of its 95 % Wilson interval."""
    low, high = row["ci95"]
    return f"{100 * row['top1']:.1f} ±{50 * (high - low):.1f}"
