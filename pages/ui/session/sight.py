"""What is looked at beside the setting: the selected part of the model, and how the trade-off is shown.

It stands in the link and stays over pages, but is no cut: undo leaves it alone. Next door: `state` keeps it, `links`
writes it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from dimap_core.types import Anatomy, InvalidPlan

CUES, AXES = ("joint", "digit", "texture"), ("MACs", "params")
_PLACE = re.compile(r"([1-9]\d{0,2})(?:\.([1-9]\d{0,2}))?")


@dataclass(frozen=True)
class Selected:
    """A part of the model, for the whole app: a stage, and a block within it, both from 0; None: nothing, or all of the
    stage."""

    stage: int | None = None
    block: int | None = None

    @property
    def place(self) -> tuple[int, int | None] | None:
        """The same for pictures; None where nothing is selected."""
        return None if self.stage is None else (self.stage, self.block)

    def fits(self, anatomy: Anatomy) -> bool:
        """Whether a model has that part."""
        if self.stage is None:
            return self.block is None
        if not 0 <= self.stage < len(anatomy.stages):
            return False
        return self.block is None or 0 <= self.block < len(anatomy.stages[self.stage].blocks)

    def __str__(self) -> str:
        """As links and tables name it, from 1: "3.2"; "3" for all of a stage."""
        if self.stage is None:
            return ""
        return f"{self.stage + 1}" if self.block is None else f"{self.stage + 1}.{self.block + 1}"


@dataclass(frozen=True)
class Sight:
    """What is selected, and the trade-off's cue, cost axis and zoom near the dense model."""

    at: Selected = Selected()
    cue: str = CUES[0]
    axis: str = AXES[0]
    zoom: bool = False


KEYS = ("at", "cue", "axis", "zoom")
"""Its parts in a link, by the names of its fields."""


def to_link(sight: Sight) -> dict[str, str]:
    """The parts of a link that `from_link` reads back; what is as at the start is left out."""
    shown = {"at": str(sight.at), "cue": sight.cue, "axis": sight.axis, "zoom": "1" if sight.zoom else "0"}
    plain = {"at": "", "cue": CUES[0], "axis": AXES[0], "zoom": "0"}
    return {key: text for key, text in shown.items() if text != plain[key]}


def from_link(params: dict[str, str]) -> Sight:
    """Raises InvalidPlan for what is no part, cue, axis or zoom."""
    for key, allowed in (("cue", CUES), ("axis", AXES), ("zoom", ("0", "1"))):
        if params.get(key, allowed[0]) not in allowed:
            raise InvalidPlan(f"There is no {key} '{params[key][:20]}'; choose one of {', '.join(allowed)}.")
    found = _PLACE.fullmatch(params.get("at", "1"))
    if found is None:
        raise InvalidPlan(f"There is no part '{params['at'][:20]}'; write a stage and a block of it, as 3.2.")
    stage, block = (None if number is None else int(number) - 1 for number in found.groups())
    at = Selected(stage, block) if "at" in params else Selected()
    return Sight(at, params.get("cue", CUES[0]), params.get("axis", AXES[0]), params.get("zoom") == "1")
