"""What a plan says, a row a field: its key in a recipe and in a link, and how both are written and read.

A new field of `PruningPlan` is a row here and its check in `validation`. A link's values are those of a recipe as text,
in characters that an address leaves as they are; shares have six digits there.
Next door: `recipe` reads and writes whole plans by these rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ..types import Cell, InvalidPlan, PruningPlan, cell_name

_DEFAULT = PruningPlan()


def link_number(key: str, text: str) -> float:
    """A number of a link; raises InvalidPlan for text that is none."""
    try:
        return float(text)
    except ValueError:
        raise InvalidPlan(f"Its {key} '{text[:40]}' is not a number.") from None


def _text(key: str, text: str) -> str:
    return text


def _whole(key: str, text: str) -> int | float:
    """A whole number where it is one; of others the plan's check tells what they must be."""
    number = link_number(key, text)
    return int(number) if number.is_integer() else number


def _flag(key: str, text: str) -> bool:
    return bool(link_number(key, text))


@dataclass(frozen=True)
class Field:
    """A field of the plan that a recipe says as it is, under the field's own name.

    `link`: its key in a link, where it is another. `show`: the value as a link's text, `read` back from (key, text).
    `said`: what says it though it is at its default.
    """

    key: str
    link: str = ""
    show: Callable[[Any], str] = str
    read: Callable[[str, str], Any] = _text
    said: Literal["always", "in recipes", "where changed"] = "where changed"

    @property
    def links(self) -> tuple[str, ...]:
        """Its keys in a link."""
        return (self.link or self.key,)

    def of(self, plan: PruningPlan) -> Any:
        """What a recipe says of a plan; None: nothing."""
        value = getattr(plan, self.key)
        return None if self.said == "where changed" and self._is_default(value) else value

    def put(self, value: Any) -> dict[str, Any]:
        """The plan's fields by what a recipe says; raises InvalidPlan for what cannot even be looked at."""
        return {self.key: value}

    def to_link(self, value: Any) -> dict[str, str]:
        """The link's parameters of what a recipe says."""
        left_out = self.said == "in recipes" and self._is_default(value)
        return {} if left_out else {self.links[0]: self.show(value)}

    def from_link(self, params: Mapping[str, str]) -> Any:
        """What a recipe would say of a link's parameters, of which one at least is this field's."""
        return self.read(self.links[0], params[self.links[0]])

    def _is_default(self, value: Any) -> bool:
        return bool(value == getattr(_DEFAULT, self.key))


class _Name(Field):
    """One of several words."""

    def put(self, value: Any) -> dict[str, Any]:
        if not isinstance(value, str):
            raise InvalidPlan(f"The recipe's {self.key} must be text, not {value!r}.")
        return super().put(value)


class _Ratio(Field):
    """Said whatever it is, unless a budget solves for it."""

    def of(self, plan: PruningPlan) -> Any:
        return plan.ratio if plan.budget is None else None


class _Budget(Field):
    """{kind: share} in a recipe; in a link each kind is a key. No link has a latency, which a device must measure."""

    @property
    def links(self) -> tuple[str, ...]:
        return "macs", "params"

    def of(self, plan: PruningPlan) -> Any:
        return None if plan.budget is None else {plan.budget_kind: plan.budget}

    def put(self, value: Any) -> dict[str, Any]:
        if value is None:
            return {}
        if not isinstance(value, Mapping) or len(value) != 1:
            raise InvalidPlan('The recipe\'s budget must look like {"macs": 0.5} or {"params": 0.5}.')
        ((kind, share),) = value.items()
        return {"budget": share, "budget_kind": kind}

    def to_link(self, value: Any) -> dict[str, str]:
        return {kind: f"{share:g}" for kind, share in value.items()}

    def from_link(self, params: Mapping[str, str]) -> Any:
        return {kind: link_number(kind, params[kind]) for kind in self.links if kind in params}


class _Protected(Field):
    """A list in a recipe."""

    def of(self, plan: PruningPlan) -> Any:
        return list(plan.protected) or None

    def put(self, value: Any) -> dict[str, Any]:
        if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
            raise InvalidPlan("The recipe's protected layers must be a list of layer names.")
        return {"protected": tuple(value)}


class _Cells(Field):
    """The overrides of stages, or those that hold in all stages ("kinds"): {cell: ratio} in a recipe, 0.MLP-M_0.2~1_0.5
    in a link."""

    def of(self, plan: PruningPlan) -> Any:
        of_stage = self.key == "stages"
        return {cell_name(cell): ratio for cell, ratio in plan.overrides if (cell[0] is not None) == of_stage} or None

    def put(self, value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            example = '{"0": 0.2, "1:MLP-M": 0.5}' if self.key == "stages" else '{"mlp_neuron": 0.5, "head": 0.25}'
            raise InvalidPlan(f"The recipe's {self.key} must look like {example}.")
        if self.key == "stages":
            return {"overrides": stage_cells(value.items())}
        return {"overrides": {(None, str(kind)): ratio for kind, ratio in value.items()}}

    def to_link(self, value: Any) -> dict[str, str]:
        return {self.key: "~".join(f"{cell.replace(':', '.')}_{ratio:g}" for cell, ratio in value.items())}

    def from_link(self, params: Mapping[str, str]) -> Any:
        # A kind's own name holds a "_", so the last one parts it from its ratio.
        pairs = [part.rpartition("_") for part in params[self.key].split("~")]
        return {cell.replace(".", ":"): link_number(self.key, ratio) for cell, _, ratio in pairs}


def stage_cells(pairs: Iterable[tuple[str, Any]]) -> dict[Cell, float]:
    """("0", 0.2) or ("0:MLP-M", 0.2) pairs as overrides; raises InvalidPlan for names that are no cell of a stage."""
    cells: dict[Cell, float] = {}
    for name, ratio in pairs:
        stage, _, module = str(name).partition(":")
        if not stage.isdecimal() or len(stage) > 4:
            raise InvalidPlan(f"'{name}' is not a stage; write 0, or 0:MLP-M for one module of stage 0.")
        cells[int(stage), module or None] = ratio
    return cells


FIELDS: tuple[Field, ...] = (
    _Name("criterion", said="always"),
    _Name("granularity", said="in recipes"),
    _Name("scope", said="always"),
    _Budget("budget"),
    _Ratio("ratio", show="{:g}".format, read=link_number),
    _Cells("stages"),
    _Cells("kinds"),
    Field("nm"),
    Field("round_to", "round", read=_whole),
    Field("repair", show=lambda on: "1", read=_flag),
    Field("cost_exponent", "pay", show="{:g}".format, read=link_number),
    _Protected("protected", show="~".join, read=lambda _, text: text.split("~")),
    Field("seed", read=_whole),
    Field("images", read=_whole),
)
"""Every field, as recipes and links list them; what a link always says comes first there."""
