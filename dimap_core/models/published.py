"""What papers print: `assets/published/*.json`, each figure with its source and whose it is. No torch.

Figures are kept as printed, as text, so that their rounding is known. Where a printed figure is not what counting gives
and the reason is known or sought, `ours` says what counting gives and `remark` why: such a figure is checked against
`ours`.
Next door: `studies.published_counts` computes the same quantities, `cli.reproduce` compares and prints.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from ..types import ASSETS

PUBLICATIONS = ("dimap", "spvit", "nvit", "flatten")
_UNITS = {"M": 1e6, "G": 1e9}


@dataclass(frozen=True)
class Figure:
    """One printed figure: of which model, of what (with its unit), and where it stands.

    `by`: "paper", or "computed" for what this project's study of the paper counted. `ours`: what counting gives where
    that is not what is printed; then `remark` says why.
    """

    model: str
    what: str
    printed: str
    by: str
    where: str
    ours: str = ""
    remark: str = ""

    @property
    def quantity(self) -> str:
        """What is counted, without its unit."""
        return self.what.rpartition(", ")[0] if self.what.rpartition(", ")[2] in _UNITS else self.what

    def rounded(self, value: float) -> str:
        """A count in the figure's unit, to the digits that are printed."""
        digits = len(self.printed.partition(".")[2])
        return f"{value / _UNITS.get(self.what.rpartition(', ')[2], 1):.{digits}f}"

    def agrees(self, value: float) -> bool:
        """Whether a count is the printed figure, or differs from it as the remark says."""
        return self.rounded(value) == (self.ours or self.printed)


@dataclass(frozen=True)
class Publication:
    """One paper's file: `content` holds what is particular to it (architectures, tables of accuracies)."""

    key: str
    paper: str
    arxiv: str
    figures: tuple[Figure, ...]
    content: Mapping[str, Any]


@cache
def results() -> list[dict[str, str]]:
    """Accuracies that the papers print, a row a model: "method", "model", "dense" and "top1" in % on ImageNet-1k,
    "change" in points, "macs", "params", "how" it was trained, "where" it is printed; empty where not told."""
    return json.loads((ASSETS / "published" / "results.json").read_text(encoding="utf-8"))


@cache
def publication(key: str) -> Publication:
    """The paper's figures by its key, one of PUBLICATIONS."""
    content = json.loads((ASSETS / "published" / f"{key}.json").read_text(encoding="utf-8"))
    figures = tuple(Figure(**figure) for figure in content["figures"])
    return Publication(key, content["paper"], content["arxiv"], figures, content)
