"""Explanations as plain data: which attribution methods there are, and how much one moved between two models.

Torch-free. Next door: `attribution` computes the maps, `figures.predictions` draws them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from ..types import Family, PruningError

_FIGURES = 4  # significant digits of a map's values that are sent


@dataclass(frozen=True)
class MethodInfo:
    """A row of the registry: `signed` maps speak for and against a class, others only for it; `of_class`: whether the
    map depends on the class that is explained; `missing`: why a family of models has no such map."""

    key: str
    label: str
    paper: str
    summary: str
    signed: bool
    of_class: bool = True
    missing: dict[Family, str] = field(default_factory=dict)


METHODS = (
    MethodInfo(
        "integrated-gradients",
        "Integrated gradients",
        "Sundararajan et al. 2017, arXiv 1703.01365",
        "Adds up the gradient on the way from a black image to this one; each pixel gets its share of the logit.",
        signed=True,
    ),
    MethodInfo(
        "occlusion",
        "Occlusion",
        "Zeiler and Fergus 2014, arXiv 1311.2901",
        "Blackens one patch after another and reads off how far the logit falls.",
        signed=True,
    ),
    MethodInfo(
        "grad-cam",
        "Grad-CAM",
        "Selvaraju et al. 2017, arXiv 1610.02391",
        "Weighs the last feature maps (on DeiT the patches that enter the last block) by their mean gradient; where "
        "the sum is positive speaks for the class.",
        signed=False,
    ),
    MethodInfo(
        "rollout",
        "Attention rollout",
        "Abnar and Zuidema 2020, arXiv 2005.00928",
        "Follows the attention from the class token back to the patches; it is the same for every class.",
        signed=False,
        of_class=False,
        missing={
            "swin": "Attention rollout follows a class token through layers in which all patches meet; Swin has "
            "no class token and attends inside windows, so there is none here."
        },
    ),
)


def method(key: str, family: Family) -> MethodInfo:
    """The registry's row; raises PruningError for an unknown method or one that the family does not have."""
    info = next((info for info in METHODS if info.key == key), None)
    if info is None:
        raise PruningError(f"There is no method '{key}'; choose one of {', '.join(info.key for info in METHODS)}.")
    if family in info.missing:
        raise PruningError(info.missing[family])
    return info


@dataclass(frozen=True)
class Attribution:
    """One model's map: `values` float [H, W], where one token was judged at all of its pixels alike.

    `cells`: how many values were worked out, those of pixels, tokens or windows. `error`: by how many logits the map's
    sum misses `change`, the logit's rise from the black image to this one; None where no such sum is promised.
    """

    values: np.ndarray
    cells: int
    error: float | None = None
    change: float | None = None


@dataclass(frozen=True)
class Explanation:
    """Why the dense and the pruned model give one image their score of class `target`."""

    method: str
    target: int
    dense: Attribution
    pruned: Attribution

    @property
    def moved(self) -> float | None:
        """Rank correlation of the two maps, see `rank_agreement`."""
        return rank_agreement(self.dense.values, self.pruned.values)

    def event(self) -> dict[str, Any]:
        """JSON: maps as nested lists, numbers beside them."""
        both = (("dense", self.dense), ("pruned", self.pruned))
        numbers = {f"{part}_{name}": getattr(found, part) for name, found in both for part in ("error", "change")}
        maps = {name: [[float(f"{v:.{_FIGURES}g}") for v in row] for row in found.values] for name, found in both}
        facts = {"method": self.method, "target": self.target, "moved": self.moved, "cells": self.pruned.cells}
        return {**facts, **maps, **numbers}


def rank_agreement(first: np.ndarray, second: np.ndarray) -> float | None:
    """Spearman's rank correlation of two maps, -1..1; None where one has the same value everywhere.

    What stands at several pixels alike counts as often in both maps, which changes no rank correlation.
    """
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    return float(spearmanr(first, second, axis=None).statistic)


def in_words(moved: float | None) -> str:
    """How much an explanation moved, for readers who do not think in correlations."""
    if moved is None:
        return "cannot be compared: one of the maps is the same everywhere"
    limits = (0.9, "hardly moved"), (0.7, "moved a little"), (0.4, "moved"), (0.1, "moved a lot")
    return next((words for limit, words in limits if moved >= limit), "has nothing in common with the dense one")
