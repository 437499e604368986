"""What is asked for, and what goes: criteria, plans and selections as frozen data.

Next door: `model` for the parts they name; `plan` (the room) checks plans and makes selections.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Granularity = Literal["weight", "structure", "nm"]
Scope = Literal["layer", "stage-module", "module", "model"]
Budget = Literal["macs", "params", "latency"]


Cell = tuple[int | None, str | None]
"""A stage, a stage x module (for structures: x kind) cell, or (None, module) in all stages; stages count from 0."""

Evidence = Literal["", "statistics", "attributions", "moments", "fisher"]

_PASSES: dict[str, Evidence] = {
    "gradients": "statistics",
    "activations": "statistics",
    "attributions": "attributions",
    "moments": "moments",
    "fisher": "fisher",
}
"""Need -> the pass over training images that gathers it."""


@dataclass(frozen=True)
class CriterionInfo:
    """A row of the criteria registry: everything picker, help text, CLI and contract tests need to know.

    `fn(model, anatomy, granularity, statistics, seed)` returns `scores.Scores`. `scores`: what it can score, single
    weights ("weight", which N:M masks use too) or groups ("structure"). `needs`, within weights, gradients,
    activations, attributions, moments and fisher: what `statistics` is follows from `evidence`.
    """

    key: str
    label: str
    fn: Callable[..., Any]
    paper: str
    equation: str
    summary: str
    needs: frozenset[str] = frozenset({"weights"})
    scores: frozenset[str] = frozenset({"weight", "structure"})

    @property
    def evidence(self) -> Evidence:
        """Which pass over training images it needs, if any: "statistics" makes a `criteria.Statistics`, "attributions"
        a `criteria.Attributions`, "moments" a `criteria.InputMoments`, "fisher" a `criteria.OutputFisher`."""
        return next((_PASSES[what] for what in sorted(self.needs) if what in _PASSES), "")

    @property
    def reads_images(self) -> bool:
        """Whether training images have to be read before it can score."""
        return bool(self.evidence)


@dataclass(frozen=True)
class PruningPlan:
    """What to remove, before anything is scored or cut. Validated by `plan.validate`.

    `ratio`: removed units / units of each competition set, 0 <= ratio < 1; None where a budget is given instead, and
    for N:M masks. `overrides`: (cell, ratio) pairs; a stage, stage x module or module that competes alone at its own
    ratio. `budget`: share 0..1 of all dense MACs, params or measured latency (`budget_kind`) to remove; solves for
    `ratio`. `cost_exponent`: rank by score / (MACs per unit) ** exponent; 0 = as published. `nm`: "2:4" keeps 2 of
    every 4 consecutive inputs. `round_to`: structures are kept in multiples of it. `repair`: least-squares refit
    of what is left. `images`: how many training images repair and data-driven criteria read.
    """

    criterion: str = "dimap"
    granularity: Granularity = "weight"
    scope: Scope = "module"
    ratio: float | None = 0.0
    overrides: tuple[tuple[Cell, float], ...] = ()
    budget: float | None = None
    budget_kind: Budget = "macs"
    cost_exponent: float = 0.0
    protected: tuple[str, ...] = ()
    nm: str | None = None
    round_to: int = 1
    repair: bool = False
    seed: int = 0
    images: int = 256

    @property
    def scored(self) -> Literal["weight", "structure"]:
        """What the criterion has to score for this cut; patterns are chosen among single weights."""
        return "structure" if self.granularity == "structure" else "weight"


@dataclass(frozen=True)
class Selection:
    """What a plan removes: `removed[name]` units of each layer (of each `GroupSet` for structures), lowest keys first.

    `ratio` is the common ratio in force (solved for, where the plan has a budget); `nm` that of an N:M mask.
    """

    removed: Mapping[str, int]
    ratio: float
    granularity: Granularity = "weight"
    nm: str | None = None


def cell_name(cell: Cell) -> str:
    """(0, None) -> "0", (0, "MLP-M") -> "0:MLP-M", (None, "head") -> "head"."""
    return ":".join(str(part) for part in cell if part is not None)


def nm_sizes(pattern: str | None) -> tuple[int, int]:
    """N and M of a pattern like "2:4"."""
    n, _, m = (pattern or "").partition(":")
    return int(n), int(m)
