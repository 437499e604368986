"""What a slide states in two lines, and its numbers in one. Next door: `cuts`, the titles of figures."""

from __future__ import annotations

from ...types import AccuracyEstimate, Granularity, Part, in_points
from .cuts import percent
from .pairs import chance


def statement(total: Part, estimate: AccuracyEstimate | None) -> tuple[str, str]:
    """What is gone, and what still answers right ("" where nothing was judged)."""
    weights, macs = 1 - total.params_after / total.params, 1 - total.macs_after / total.macs
    gone = f"{percent(weights)} of the weights and {percent(macs)} of the MACs gone"
    if estimate is None:
        return f"{gone}.", ""
    return f"{gone},", f"{100 * estimate.top1.value:.1f}\u00a0% of the images still right."


def numbers(estimate: AccuracyEstimate | None) -> str:
    """Accuracy with its interval, and the paired change in the words of chance."""
    if estimate is None:
        return "Counts only: there is nothing to judge by."
    top1 = estimate.top1
    said = f"{100 * top1.value:.1f} % right, {100 * top1.low:.1f} to {100 * top1.high:.1f}, n = {top1.n:,}"
    drop = estimate.drops.get("joint")
    if drop is None:
        return said
    between = f"{in_points(drop.low)} to {in_points(drop.high)}"
    return f"{said}; {in_points(drop.value)} points against dense ({between}), {chance(drop)}"


def kind(granularity: Granularity) -> str:
    """What the cut does to time, as far as it is known without a stopwatch."""
    told = {"structure": "really smaller", "nm": "zeros in a pattern: not faster here"}
    return told.get(granularity, "zeros: smaller on paper, not faster")
