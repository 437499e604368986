"""Eq. 10 by hand: the largest weights of a layer, line by line, and whether a score that was typed is right.

Only weights at least as large count towards a weight's score, so the largest of a layer have in a list of their own
the very scores that they have among all: `types.scores` computes the same, from the largest down.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

import numpy as np

Verdict = Literal["", "right", "wrong", "short", "unread"]
_NUMBER = re.compile(r"(?=.{1,20}$)[0-9]*(?:[.,]([0-9]*))?")


class Line(NamedTuple):
    """One weight's way to its score: its square, the sum of squares from the largest weight down to it, and the square
    as a share of that sum; float64."""

    weight: float
    square: float
    total: float
    score: float


def largest(weight: np.ndarray, count: int = 8) -> list[Line]:
    """The `count` largest weights of a layer (any shape, float32), largest first; of equal ones the one that leaves
    last comes first. A zero scores 0."""
    flat = weight.reshape(-1).astype(np.float64)
    chosen = flat[np.argsort(np.abs(flat), kind="stable")[::-1][:count]]
    squares = np.square(chosen)
    totals = np.cumsum(squares)
    scores = np.divide(squares, totals, out=np.zeros_like(squares), where=totals > 0)
    return [Line(*map(float, line)) for line in zip(chosen, squares, totals, scores, strict=True)]


def verdict(typed: str, value: float, digits: int = 2) -> Verdict:
    """What to say of a number that was typed for `value`: "right" to as many decimals as were given, the last one may
    be off by one; "short" of the `digits` that are asked for; "unread" where it is no number; "" where there is none.

    A comma is a decimal point.
    """
    text = typed.strip()
    if not text:
        return ""
    match = _NUMBER.fullmatch(text)
    if match is None or not any(letter.isdigit() for letter in text):
        return "unread"
    decimals = len(match[1] or "")
    if decimals < digits:
        return "short"
    unit = 10.0**-decimals
    return "right" if abs(float(text.replace(",", ".")) - value) <= unit * (1 + 1e-9) else "wrong"
