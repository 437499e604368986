"""What whole methods bring at equal budgets: `assets/methods.json`, as `benchmarks.methods` measured it. No torch.

Next door: `registry` has the searches; `models.published` holds what papers print, which is never mixed with this;
`figures.comparison` draws it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from ...models import BUNDLED
from ...types import ASSETS, whole_file
from .registry import METHODS

FILE = ASSETS / "methods.json"
BUDGETS = (0.35, 0.5)
"""Shares of the dense model's MACs to remove."""

Interval = tuple[float, float, float]
"""(share, low, high), 0..1, with the 95 % interval."""


@dataclass(frozen=True)
class Way:
    """A way to a smaller model; `zeros`: it removes MACs on paper only, so it is not faster. `softmax_only`: not for
    models with linear attention."""

    key: str
    label: str
    zeros: bool = False
    softmax_only: bool = False


WAYS = (
    Way("dimap-weight", "DIMAP weights", zeros=True),
    Way("dimap", "DIMAP structures"),
    Way("dimap-repair", "DIMAP + repair"),
    Way("found", "Best cut found"),
    Way("dimap-tuned", "DIMAP + repair + fine-tuning"),
    *(Way(row.key, row.title, softmax_only=row.softmax_only) for row in METHODS),
)
"""All that is compared: cuts, then every method."""


@dataclass(frozen=True)
class Measurement:
    """One method on one model at one budget.

    `before`, `after` training (None: it has none), both of the smaller model on the same `n` validation images as
    `dense`; `macs` and `params` of the smaller model (see `results`) with the shares removed; `latency_removed` share
    of the dense model's measured time in batches of `batch`, one thread; `steps` of training; `cpu_seconds` of all the
    work.
    """

    model: str
    method: str
    budget: float
    n: int
    dense: Interval
    before: Interval
    after: Interval | None
    params: int
    macs: int
    params_removed: float
    macs_removed: float
    latency_removed: float
    batch: int
    steps: int
    cpu_seconds: float
    params_nonzero: int | None = None
    macs_nonzero: int | None = None

    @property
    def key(self) -> tuple[str, str, float]:
        """What it is a measurement of."""
        return self.model, self.method, self.budget

    @property
    def label(self) -> str:
        """The method's name."""
        return way(self.method).label

    @property
    def zeros(self) -> bool:
        """Whether MACs went on paper only."""
        return way(self.method).zeros

    @property
    def top1(self) -> Interval:
        """Accuracy in the end."""
        return self.after or self.before


_ROWS = TypeAdapter(list[Measurement])


def way(key: str) -> Way:
    """The row of that key."""
    return next(found for found in WAYS if found.key == key)


def read(file: Path = FILE) -> list[Measurement]:
    """What was measured, in the order of models, budgets and methods; nothing where there is no file."""
    found = _ROWS.validate_json(file.read_bytes()) if file.exists() else []
    order = {key: place for place, key in enumerate(wanted())}
    return sorted((row for row in found if row.key in order), key=lambda row: order[row.key])


def write(rows: Iterable[Measurement], file: Path = FILE) -> None:
    """Write all rows, one a line."""
    lines = ",\n ".join(json.dumps(row) for row in _ROWS.dump_python(list(rows), mode="json", exclude_defaults=True))
    with whole_file(file) as part:
        part.write_text(f"[\n {lines}\n]\n", encoding="utf-8")


def wanted() -> Iterator[tuple[str, str, float]]:
    """(model, method, budget) of a whole table."""
    for spec in BUNDLED:
        for budget in BUDGETS:
            for found in WAYS:
                if not (spec.linear_stages and found.softmax_only):
                    yield spec.name, found.key, budget


def missing(rows: Iterable[Measurement], model: str, budget: float) -> list[str]:
    """Labels of methods that were not measured on a model at a budget."""
    absent = set(wanted()) - {row.key for row in rows}
    return [found.label for found in WAYS if (model, found.key, budget) in absent]


def highest(rows: Iterable[Measurement]) -> Measurement | None:
    """The row of highest top-1; None without rows. Whether others differ from it beyond chance is not known: their
    answers to single images were not kept, so nothing can be paired."""
    return max(rows, key=lambda row: row.top1[0], default=None)
