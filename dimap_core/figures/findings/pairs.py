"""Two cuts against each other in a sentence: what the second costs, and whether its accuracy differs beyond chance.

Only paired differences say "beyond chance" here: their interval leaves out zero. Next door: `cuts`, on one cut.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ...types import Difference, Part, in_points
from .cuts import listed

LUCK, BEYOND = "could be luck", "beyond chance"
_TIMES = 2.0  # from so many times as much on, in times and no longer in percents


class Named(NamedTuple):
    """A cut as sentences call it ("B", "the dense model"), and its counts."""

    called: str
    total: Part


def chance(difference: Difference) -> str:
    """What chance has to do with a paired difference: its interval holds zero, or it does not."""
    return LUCK if difference.low <= 0 <= difference.high else BEYOND


def pair(first: Named, second: Named, difference: Difference | None, why: str = "") -> str:
    """What `second` costs against `first`, more weights too, and what its accuracy is worth. `difference`: second minus
    first over the same images; None where there is none, for the reason `why`."""
    return f"{_cost(first, second)}; {_accuracy(difference) if difference else why}.".replace(" %", "\u00a0%")


def _cost(first: Named, second: Named) -> str:
    """ "B needs 12 % fewer MACs than A and 10 % more weights"."""
    macs, word = _against(first.total.macs_after, second.total.macs_after)
    weights, _ = _against(first.total.params_after, second.total.params_after)
    begun = f"{second.called[:1].upper()}{second.called[1:]} needs"
    if macs == weights:
        return f"{begun} {macs} MACs and weights {word} {first.called}"
    return f"{begun} {macs} MACs {word} {first.called} and {weights} weights"


def _against(before: int, after: int) -> tuple[str, str]:
    """How much `after` is against `before`, and the word that names what it is measured by."""
    ratio = after / before
    if after == before:
        return "as many", "as"
    if ratio >= _TIMES:
        return f"{ratio:.1f} times the", "of"
    share = round(100 * abs(ratio - 1))
    if not share:
        return "nearly as many", "as"
    return f"{share} % {'fewer' if ratio < 1 else 'more'}", "than"


def _accuracy(difference: Difference) -> str:
    images = f"{difference.n:,} images"
    if difference.value == 0:
        return f"both are right on equally many of {images}"
    points = f"its {abs(100 * difference.value):.1f} points {'more' if difference.value > 0 else 'less'} on {images}"
    luck = chance(difference) == LUCK
    return f"{points} could be luck" if luck else f"{points} are beyond chance"


def beyond(called: str, differences: Mapping[str, Difference]) -> str:
    """Which of some differences are beyond chance, and which are not; `called`: of what ("B − A"), keyed by what was
    judged ("top-1", "digit")."""
    sure = [f"{name} {in_points(found.value)}" for name, found in differences.items() if chance(found) == BEYOND]
    luck = [name for name, found in differences.items() if chance(found) == LUCK]
    parts = [f"{listed(sure)} points {'is' if len(sure) == 1 else 'are'} beyond chance"] if sure else []
    parts += [f"{listed(luck)} could be luck"] if luck else []
    return f"{called}: {'; '.join(parts)}"
