"""What a sweep's figures show, in a sentence. Next door: `cuts`, of a single one."""

from __future__ import annotations

from collections.abc import Sequence

from ...types import Difference
from ..sweep import SweptPoint, is_unbeaten
from .cuts import percent


def deepest(tried: Sequence[tuple[str, float, Difference]], unit: str) -> str:
    """(name, share that went, paired difference to the dense model) -> the most that went without a loss beyond
    chance."""
    kept = [(removed, name) for name, removed, drop in tried if drop.high >= 0]
    if not kept:
        return "Every cut so far loses more than chance explains"
    removed, name = max(kept)
    return f"Most that went without a loss beyond chance: {percent(removed)} of {unit} ({name})"


def unbeaten(points: Sequence[SweptPoint]) -> str:
    """How many cuts no other beats in both, and how many of these read images."""
    front = [point for point in points if is_unbeaten(point, points)]
    images = sum(point.images for point in front)
    told = f"{len(front)} of {len(points)} cuts are beaten by no other"
    if len({point.images for point in points}) < 2:
        return told
    return f"{told}, {images} of them by rules that read images"
