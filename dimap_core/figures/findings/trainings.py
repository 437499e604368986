"""What figures of trainings and searches show, in one sentence each. Next door: `cuts`, all others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..look import COLUMN_LABELS
from .cuts import extremes, listed, percent

_KINDS = {**COLUMN_LABELS, "mlp_neuron": "hidden units"}


def learning(points: Sequence[Mapping[str, Any]]) -> str:
    """From where to where accuracy went, and whether the intervals of both ends lie apart. `points`: as drawn."""
    judged = [point for point in points if "top1" in point]
    if len(judged) < 2:
        return f"Loss {points[0]['loss']:.2f} at step {points[0]['step']}, {points[-1]['loss']:.2f} at the last"
    first, last = judged[0], judged[-1]
    way = f"{100 * first['top1']:.1f} to {100 * last['top1']:.1f} % right"
    if last["low"] > first["high"]:
        return f"Training brought it from {way}"
    if last["high"] < first["low"]:
        return f"Training took it from {way}"
    return f"From {way}: within chance, the intervals overlap"


def redistribution(kept: Sequence[Mapping[str, int]], dense: Sequence[Mapping[str, int]], kinds: Sequence[str]) -> str:
    """Where least and most is kept of which kind. `kept` and `dense`: units by kind of every block."""
    there = [kind for kind in kinds if kind in dense[0]]
    shares = np.array([[left[kind] / full[kind] for kind in there] for left, full in zip(kept, dense, strict=True)])
    found = extremes(shares, percent)
    if found is None:
        return f"{percent(shares[0, 0])} of every kind is kept in every block"
    least, most = (f"{percent(shares[at])} of block {at[0] + 1}'s {_KINDS[there[at[1]]]}" for at in found)
    return f"It keeps {least} and {most}"


def indicators(points: Sequence[Mapping[str, Any]], kind: str) -> str:
    """Which block would keep least and most by itself at the last step seen; shares in %."""
    last = points[-1]
    blocks = last["indicators"][kind]
    means = np.array([sum(block) / len(block) / 100 for block in blocks])
    found = extremes(means, percent)
    if found is None:
        return f"At step {last['step']:,}, {percent(means[0])} of every block would stay by itself"
    least, most = (f"{percent(means[at])} of block {at[0] + 1}" for at in found)
    return f"At step {last['step']:,}, {most} and {least} would stay by itself"


def similarity(before: Sequence[Sequence[float]], after: Sequence[Sequence[float]]) -> str:
    """Mean |cosine| in % of every two channels, before and after."""

    def mean(matrix: Sequence[Sequence[float]]) -> str:
        values = np.array(matrix, float)
        others = values[~np.eye(len(values), dtype=bool)]
        return f"{others.mean():.0f} %" if others.size else "one channel only"

    return f"Two channels are {mean(before)} alike in the dense head, {mean(after)} in what is left"


def mixers(blocks: Sequence[Mapping[str, Any]]) -> str:
    """In how many blocks attention went, and how many hidden units stay. `blocks`: as `Gated.shown` tells them."""
    gone = [str(place) for place, block in enumerate(blocks, 1) if block["mixer"] != "softmax"]
    hidden = sum(block["hidden"] for block in blocks) / sum(block["of"] for block in blocks)
    where = (
        f"Attention goes in {'block' if len(gone) == 1 else 'blocks'} {listed(gone)}"
        if gone
        else ("Attention stays in every block")
    )
    return f"{where}; {percent(hidden)} of the hidden units stay"


def kernels(pictures: Mapping[str, Mapping[str, Any]], names: Mapping[str, str]) -> str:
    """How much of the dense blocks' attention lay within the reach of the kernel that took its place."""
    shares = {}
    for block, found in pictures.items():
        attention = np.array(found["attention"], float)
        away, reach = len(attention) // 2, len(found["kernel"]) // 2
        near = attention[away - reach : away + reach + 1, away - reach : away + reach + 1]
        shares[block] = float(near.sum() / attention.sum()) if attention.sum() else 0.0
    parts = [f"{percent(share)} in {names[block]}" for block, share in shares.items()]
    return f"Of the attention drawn, the kernel reaches {listed(parts)}"
