"""What benchmarks share: where measurements are kept, with what is known of the run; accuracies and tables as text.

Next door: `judging` opens models with their images, `results` writes RESULTS.md and the README's measured lines from
what is kept here.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from itertools import pairwise
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
    says how it was measured, `reading` what the rows say. `rows` are empty where they lie under assets. `photos`: by
    model of photographs, whose rows come by runs of their own, its command, date, machine, load, n and reading.
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
    photos: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def stored(name: str) -> Result:
    """What is kept under that name."""
    return Result(**json.loads((RESULTS / f"{name}.json").read_text("utf-8")))


def store(
    name: str, columns: Sequence[str] = (), rows: Iterable[Sequence[str]] = (), model: str = "", photos: str = ""
) -> None:
    """Keep what was just measured, with this command, day, machine and load. What it is and how it is measured stays as
    it was written; what was read from the old rows goes.

    `photos`: the photographs that judged `model`, a model of photographs; what is known of the other rows then stays.
    """
    path = RESULTS / f"{name}.json"
    old = stored(name) if path.exists() else Result(name, *[UNKNOWN] * 6)
    now = {"command": command(), "date": date.today().isoformat(), "machine": hardware()}
    now |= {"load": f"{load()} at the end", "reading": ""}
    found = replace(old, columns=columns, rows=[list(map(str, row)) for row in rows])
    found = replace(found, photos={**old.photos, model: {**now, "n": photos}}) if photos else replace(found, **now)
    path.write_text(json.dumps(asdict(found), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def command() -> str:
    """This command, as anybody may type it: where the photographs lie here is nobody's business."""
    words = ["FOLDER" if before == "--photos" else word for before, word in pairwise(sys.argv)]
    words = ["--photos=FOLDER" if word.startswith("--photos=") else word for word in words]
    return " ".join(["python -m", f"benchmarks.{Path(sys.argv[0]).stem}", *map(shlex.quote, words)])


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
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=doc, formatter_class=form, allow_abbrev=False)
    if models:
        parser.add_argument("models", nargs="*", default=list(models), metavar="MODEL")
    return parser


def read(file: Path) -> list[dict[str, Any]]:
    """What was measured before, in the bundled models' order."""
    known = {found["model"]: found for found in json.loads(file.read_text("utf-8"))} if file.exists() else {}
    return [known[spec.name] for spec in BUNDLED if spec.name in known]


def keep(file: Path, found: Mapping[str, Any]) -> None:
    """What is known of one model, into the file; what is known of the others stays."""
    known = {row["model"]: row for row in read(file)} | {found["model"]: found}
    rows = (known[spec.name] for spec in BUNDLED if spec.name in known)
    file.write_text("[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n", encoding="utf-8")


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
