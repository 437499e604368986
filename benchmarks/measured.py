"""What benchmarks share: where measurements are kept, with what is known of the run; the command line of those whose
rows lie under assets; accuracies and tables as text.

Next door: `results` writes RESULTS.md and the README's measured lines from what is kept here.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dimap_core.models import BUNDLED

RESULTS = Path(__file__).with_name("results")
UNKNOWN = "not recorded"


@dataclass(frozen=True)
class Result:
    """What `results/NAME.json` holds. All is text, "not recorded" where nobody wrote it down: the command that
    measures it again, the day, the machine with its versions, its load average, what n and the interval are; `note`
    says how it was measured, `reading` what the rows say. `rows` are empty where they lie under assets.
    """

    title: str
    command: str
    date: str
    machine: str
    load: str
    n: str
    interval: str
    note: str = ""
    reading: str = ""
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()


def stored(name: str) -> Result:
    """What is kept under that name."""
    return Result(**json.loads((RESULTS / f"{name}.json").read_text("utf-8")))


def store(name: str, columns: Sequence[str] = (), rows: Iterable[Sequence[str]] = ()) -> None:
    """Keep what was just measured, with this command, day, machine and load. What it is and how it is measured stays as
    it was written; what was read from the old rows goes."""
    path = RESULTS / f"{name}.json"
    old = stored(name) if path.exists() else Result(name, *[UNKNOWN] * 6)
    command = " ".join(["python -m", f"benchmarks.{Path(sys.argv[0]).stem}", *sys.argv[1:]])
    now = (command, date.today().isoformat(), hardware(), f"{load()} at the end")
    found = Result(old.title, *now, old.n, old.interval, old.note, "", columns, [list(map(str, row)) for row in rows])
    path.write_text(json.dumps(asdict(found), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def hardware() -> str:
    """Where this is measured: processor, cores, threads, versions."""
    names = [line.partition(": ")[2] for line in _processors() if line.startswith("model name")]
    processor = names[0] if names else platform.processor() or platform.machine()
    versions = f"Python {platform.python_version()}, torch {torch.__version__}, numpy {np.__version__}"
    return f"{processor}, {os.cpu_count()} cores, {torch.get_num_threads()} torch thread(s), {versions}"


def _processors() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text("utf-8").splitlines() if path.exists() else []


def load() -> str:
    """Load averages of the last 1, 5 and 15 minutes."""
    return "/".join(f"{value:.2f}" for value in os.getloadavg())


def machine() -> str:
    """One line on where this is measured, and how busy it is."""
    return f"{hardware()}, load average {load()}."


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A markdown table."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join([*lines, *("| " + " | ".join(map(str, row)) + " |" for row in rows)])


def command_line(doc: str | None, models: Sequence[str] = ()) -> argparse.ArgumentParser:
    """A command line that is described as its module is; it names models, by default `models`, if there are any."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    if models:
        parser.add_argument("models", nargs="*", default=list(models), metavar="MODEL")
    return parser


def read(file: Path) -> list[dict[str, Any]]:
    """What was measured before, in the bundled models' order."""
    known = {found["model"]: found for found in json.loads(file.read_text("utf-8"))} if file.exists() else {}
    return [known[spec.name] for spec in BUNDLED if spec.name in known]


def run(doc: str | None, file: Path, measure: Callable[[str], Iterable[dict[str, Any]]]) -> list[str]:
    """Measure the models that the command line names, unless it says --tables; what is known of one goes to `file` as
    often as `measure` yields it. Returns the names."""
    parser = command_line(doc, [spec.name for spec in BUNDLED])
    parser.add_argument("--tables", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    known = {found["model"]: found for found in read(file)}
    measured = (found for name in ([] if arguments.tables else arguments.models) for found in measure(name))
    for found in measured:
        known[found["model"]] = found
        file.write_text("[\n" + ",\n".join(map(json.dumps, known.values())) + "\n]\n", encoding="utf-8")
        store(file.stem)
    return arguments.models


def top1(estimate: Any) -> dict[str, Any]:
    """n and top-1 with its 95 % interval, as they are kept."""
    share = estimate.top1
    return {"n": estimate.n, "top1": round(share.value, 4), "ci95": [round(share.low, 4), round(share.high, 4)]}


def share(row: dict[str, Any]) -> str:
    """A row's top-1 in % with half the width of its 95 % Wilson interval."""
    return percent(row["top1"], row["ci95"])


def percent(value: float, interval: Sequence[float]) -> str:
    """A share in % with half the width of its 95 % interval."""
    return f"{100 * value:.1f} ±{50 * (interval[1] - interval[0]):.1f}"
