"""Facts: what is measured, chosen or typed, as a flat table; when a step's conditions hold, and facts in words.

A name may have the name of an earlier step's results before it: "uniform.top1". Shares are 0..1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from .lesson import Step, Wanted

Facts = Mapping[str, float | bool | str]
_NAME = re.compile(r"\{([a-z0-9_.]+)\}")
_ACCURACY = re.compile(r"(top1|digit|texture|share|first|second|best)(_low|_high|_dense|_least|_most)?")
_POINTS = re.compile(r"(drop|digit_drop|texture_drop|difference)(_low|_high)?")
_RANK = re.compile(r"\w+_foretold(_low|_high)?")
_SHARE = re.compile(r"ratio|fit_\w+|macs|params|stage\d|(most|least)_\w+_share|\w+_of_(macs|params)")
_WIDTH = re.compile(r"spread|points_\w+")
_TIMES = re.compile(r"(speedup|times)(_\w+)?|promised")
_UNKNOWN = "–"


def holds(wanted: Wanted, name: str, facts: Facts) -> bool:
    """Whether the fact `name` is as wanted; one that is not known yet is not."""
    value = facts.get(name)
    if value is None:
        return False
    if isinstance(wanted, list):
        low, high = wanted
        return isinstance(value, int | float) and low <= value <= high
    if isinstance(wanted, str) and wanted.startswith(("@", "<", ">")):
        sign, _, other = wanted.rpartition("@")
        return _compared(value, sign.strip(), facts.get(other))
    return value == wanted


def _compared(value: float | bool | str, sign: str, other: float | bool | str | None) -> bool:
    if not sign:
        return value == other
    if not isinstance(value, int | float) or not isinstance(other, int | float):
        return False
    return value < other if sign == "<" else value > other


def met(step: Step, facts: Facts) -> bool:
    """Whether all that ends the step holds."""
    return all(holds(wanted, name, facts) for name, wanted in step.done.items())


def answered(step: Step, facts: Facts) -> str:
    """The key of the right option of a step's guess; "" where none is, or it is not known yet."""
    answer = step.guess.answer if step.guess else ""
    return str(facts.get(answer[1:], "")) if answer.startswith("@") else answer


def said(text: str, facts: Facts, language: str) -> str:
    """A text with its facts in words: accuracies as "71.0 %", other shares as "91 %", differences and widths in points,
    times as "1.43"."""
    return _NAME.sub(lambda found: _told(found[1], facts, language), text)


def lacks_earlier(text: str, facts: Facts) -> bool:
    """Whether a text names results of an earlier step that was not done."""
    return any("." in name and name not in facts for name in _NAME.findall(text))


def _told(name: str, facts: Facts, language: str) -> str:
    value, last = facts.get(name, _UNKNOWN), name.rpartition(".")[2]
    if isinstance(value, bool | str):
        return str(value)
    if _POINTS.fullmatch(last):
        told = f"{100 * value:+.1f}".replace("-", "−")
    elif _ACCURACY.fullmatch(last):
        told = f"{100 * value:.1f} %"
    elif _RANK.fullmatch(last):
        told = f"{value:+.2f}".replace("-", "−")
    elif _WIDTH.fullmatch(last):
        told = f"{100 * value:.0f}"
    elif _TIMES.fullmatch(last):
        told = f"{value:.2f}"
    elif _SHARE.fullmatch(last):
        told = f"{100 * value:.0f} %"
    else:
        told = f"{value:,.0f}" if float(value).is_integer() else f"{value:.3g}"
    return told.translate(str.maketrans(",.", ".,")) if language == "de" else told
