"""What figures show, in one sentence each: their titles, which say no more than their numbers do.

A difference counts only beyond chance: where its interval leaves out zero or, between two shares whose difference was
not paired, where their intervals lie apart. Next door: `trainings`, the sentences on trainings and searches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby

import numpy as np

from ...types import AccuracyEstimate, CellCut, Compared, Correlation, Part, Share, WeightRow, in_points
from ..front import TriedCut
from ..look import COLUMN_LABELS, MODULE_LABELS
from ..tradeoff import Curve

Place = tuple[int, ...]
_LAYERS = {"qkv": "QKV", "proj": "projection"}  # in words; fc1 and fc2 are called so


def extremes(values: np.ndarray, say: Callable[[float], str]) -> tuple[Place, Place] | None:
    """Places of the least and of the most; None where nothing is there, or all reads alike."""
    if np.isnan(values).all():
        return None
    least, most = (np.unravel_index(int(find(values)), values.shape) for find in (np.nanargmin, np.nanargmax))
    if say(values[least]) == say(values[most]):
        return None
    return tuple(map(int, least)), tuple(map(int, most))


def listed(names: Sequence[str]) -> str:
    """1, 2 and 3."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def percent(share: float) -> str:
    """A share 0..1 in whole percents, which no line breaks."""
    return f"{100 * share:.0f}\u00a0%"


def cells(values: np.ndarray, rows: Sequence[str], columns: Sequence[str], what: str, say: Callable[[float], str],
          split: int = 0) -> str:  # fmt: skip
    """Of a table [rows, columns]: where `what` is least and most; `split` rows at the end sum up and do not count."""
    own = values[: len(values) - split]
    found = extremes(own, say)
    labels = [COLUMN_LABELS.get(column, column) for column in columns]
    if found is None:
        there = own[~np.isnan(own)]
        return f"{what}: {say(there[0])} everywhere" if there.size else f"{what}: nothing to tell"
    least, most = (f"{labels[at[1]]} of {rows[at[0]]} ({say(own[at])})" for at in found)
    return f"{what}: least in {least}, most in {most}"


def ridges(rows: Sequence[WeightRow], what: str, log: bool, stage_word: str = "stage") -> str:
    """What the plan takes from which row; without a plan, how far the rows' middles lie apart. Labels are
    "1 · qkv", the stage's number and the layers' name, or a block's name."""
    names = [_row_name(row.label, stage_word) for row in rows]
    taken = np.array([row.removed_share for row in rows])
    if taken.any():
        found = extremes(taken, percent)
        if found is None:
            return f"{percent(taken[0])} of every row is gone"
        least, most = (f"{percent(taken[at])} of {names[at[0]]}" for at in found)
        return f"Gone: from {least} to {most}"
    if not log:
        return "Nothing is removed from any row"
    middles = np.array([_median(row) for row in rows])
    low, high = int(middles.argmin()), int(middles.argmax())
    times = 10 ** (middles[high] - middles[low])
    often = f"{times:.1f}" if times < 10 else f"{times:,.0f}"
    return f"The middle {what} of {names[high]} is {often} times that of {names[low]}"


def _row_name(label: str, stage_word: str) -> str:
    """ "QKV in stage 1" of "1 · qkv"; a block's name as it is."""
    stage, _, layer = label.partition(" · ")
    return f"{_LAYERS.get(layer, layer)} in {stage_word} {stage}" if layer else label


def _median(row: WeightRow) -> float:
    """The middle of the bin that half of the counts lie below."""
    place = int(np.searchsorted(row.counts.cumsum(), row.counts.sum() / 2))
    return float(row.edges[place] + row.edges[place + 1]) / 2


def plain_threshold(plain: Sequence[WeightRow], plan: Sequence[WeightRow], stage_word: str) -> str:
    """From which stage one threshold would take most beyond what the plan takes; labels begin with the stage's
    number."""
    would, takes = _by_stage(plain), _by_stage(plan)
    most = max(would, key=lambda stage: would[stage] - takes[stage])
    if all(percent(would[stage]) == percent(takes[stage]) for stage in would):
        return f"One plain threshold takes from each {stage_word} what this cut takes"
    told = f"{percent(would[most])} of {stage_word} {most}, where this cut takes {percent(takes[most])}"
    return f"One plain threshold would take {told}"


def _by_stage(rows: Sequence[WeightRow]) -> dict[str, float]:
    """Removed share of each stage's weights, by its number."""
    counts: dict[str, list[int]] = {}
    for row in rows:
        own = counts.setdefault(row.label.split(" · ")[0], [0, 0])
        own[0] += int(row.removed.sum())
        own[1] += int(row.counts.sum())
    return {stage: removed / max(every, 1) for stage, (removed, every) in counts.items()}


def mask(kept: float, shape: tuple[int, ...]) -> str:
    """How many of a layer's weights stay; `kept` 0..1."""
    count = int(np.prod(shape))
    return f"{round(kept * count):,} of {count:,} weights stay, {100 * kept:.1f} %"


def units(ranked: np.ndarray, removed: int) -> str:
    """How many units go, and how near the last of them is to the first that stays. `ranked`: scores, ascending."""
    if not removed:
        return f"All {len(ranked):,} stay"
    if removed == len(ranked):
        return f"All {removed:,} go"
    last, first = float(ranked[removed - 1]), float(ranked[removed])
    near = f"; the first that stays scores {first / last:.2g} times the last that goes" if last > 0 else ""
    return f"{removed:,} of {len(ranked):,} go{near}"


def ranks(found: Compared) -> str:
    """How far apart two criteria rank a unit, in the middle."""
    middle = float(np.median(np.abs(found.ranks[:, 0] - found.ranks[:, 1])))
    return f"Half of the units are ranked within {middle:.0f} of 100 places of each other"


def foretold(found: Correlation | None, criterion: str) -> str:
    """Whether a criterion foretells what is costly, beyond chance."""
    if found is None:
        return f"{criterion}: too few pieces to say"
    between = f"{found.value:+.2f} ({found.low:+.2f} to {found.high:+.2f})".replace("-", "−")
    if found.low > 0:
        return f"{criterion} foretells what is costly beyond chance: {between}"
    if found.high < 0:
        return f"{criterion} foretells the reverse of what is costly: {between}"
    return f"That {criterion} foretells what is costly could be luck: {between}"


def bears(rows: Sequence[CellCut], column: str, stages: Sequence[str]) -> str:
    """Which stages lose beyond chance where most of one module or kind goes."""
    last = {}
    for row in sorted((row for row in rows if row.module == column), key=lambda row: row.removed):
        last[row.stage] = row.estimate.drops["joint"]
    lost = [stages[stage] for stage in sorted(last) if last[stage].high < 0]
    held = [stages[stage] for stage in sorted(last) if last[stage].high >= 0]
    if not last:
        return f"{COLUMN_LABELS[column]}: nothing can go here"
    if not lost:
        return f"{COLUMN_LABELS[column]}: no loss beyond chance anywhere"
    return (
        f"{COLUMN_LABELS[column]}: {listed(lost)} lose"
        + ("s" if len(lost) == 1 else "")
        + (" beyond chance, the others do not" if held else " beyond chance")
    )


def drops(shares: Sequence[Share], word: str) -> str:
    """Who loses and who gains beyond chance, each judged by itself."""
    lost = sorted((share for share in shares if share.drop.high < 0), key=lambda share: share.drop.value)
    gained = [share for share in shares if share.drop.low > 0]
    also = f", {len(gained)} gain{'s' if len(gained) == 1 else ''}" if gained else ""
    if not lost:
        return f"No {word} loses beyond chance{also}"
    name, points = f"{word} {lost[0].name}", in_points(lost[0].drop.value)
    verb = "loses" if len(lost) == 1 else "lose"
    return f"{len(lost)} of {len(shares)} {verb} beyond chance, {name} most ({points} points){also}"


def confusions(change: np.ndarray, names: Sequence[str], word: str) -> str:
    """Where right answers were lost, and where most of one label went. `change` [label, answer]: pruned minus dense."""
    right, wrong = np.diag(change), change - np.diag(np.diag(change))
    parts = []
    if right.min() < 0:
        worst = int(right.argmin())
        parts.append(f"{word} {names[worst]} loses {-int(right[worst]):,} right answers")
    if wrong.max() > 0:
        label, answer = divmod(int(wrong.argmax()), len(names))
        parts.append(f"most new mistakes: {names[label]} → {names[answer]} ({int(wrong[label, answer]):+,})")
    told = "; ".join(parts) or "no confusion grew"
    return told[0].upper() + told[1:]


def kept(parts: Mapping[tuple[int | None, str], Part], stage_word: str) -> str:
    """Which stage keeps least and most of the weights that can go; `parts` as in CostReport."""
    stages = sorted({stage for stage, _ in parts if stage is not None})
    sums = [[sum(getattr(part, name) for (at, module), part in parts.items() if at == stage and module in MODULE_LABELS)
             for name in ("removed", "prunable")] for stage in stages]  # fmt: skip
    shares = np.array([1 - removed / max(every, 1) for removed, every in sums])
    found = extremes(shares, percent)
    if found is None:
        return f"Every {stage_word.lower()} keeps {percent(shares[0])} of its weights"
    least, most = (f"{stages[at[0]] + 1} keeps {percent(shares[at])}" for at in found)
    return f"{stage_word.capitalize()} {least} of its weights, {stage_word.lower()} {most}"


def beside_dense(tops: Sequence[float], dense: float) -> str:
    """From where to where top-1 of smaller models reaches, beside the dense one's, shares 0..1; nothing on chance."""
    low, high = f"{100 * min(tops):.1f}", f"{100 * max(tops):.1f}"
    reach = f"{low} %" if low == high else f"{low} to {high} %"
    return f"{len(tops)} smaller models reach {reach}, the dense one {100 * dense:.1f} %"


def cut(macs_kept: float, estimate: AccuracyEstimate | None, cue: str, agreement: bool = False) -> tuple[str, str]:
    """What a cut with that share of the MACs left costs, by the paired interval; and the interval with its n. None: not
    judged, or on too few images. `agreement`: right is what the dense model answers."""
    left = f"{100 * macs_kept:.0f} % of the MACs kept"
    if estimate is None:
        return left, ""
    now = estimate.cues[cue]
    if cue not in estimate.drops:
        return f"{left}, {100 * now.value:.1f} % right", f"n = {now.n:,}"
    if agreement:
        other = f"{left}: {100 * (1 - now.value):.1f} % of its answers are not the dense model's"
        return other, f"{100 * (1 - now.high):.1f} to {100 * (1 - now.low):.1f} %, n = {now.n:,}"
    drop = estimate.drops[cue]
    between = f"{in_points(drop.low)} to {in_points(drop.high)} points against dense, paired, n = {now.n:,}"
    if drop.low <= 0 <= drop.high:
        return f"{left}: no loss beyond chance", between
    word = "better" if drop.low > 0 else "worse"
    return f"{left}: {abs(100 * drop.value):.1f} points {word} than dense", between


def curves(own: Curve, reference: Curve, unit: str) -> str:
    """Over which cost one curve lies above the other beyond chance, from intervals that lie apart at its points."""
    first, other = own.label, reference.label
    sides = _sides(own, reference)
    parts = [f"{name} leads {listed([_reach(run) for run in _runs(sides, side)])}" for name, side in
             ((first, 1), (other, -1)) if side in sides.values()]  # fmt: skip
    if not parts:
        return f"Over {unit}, {first} and {other} differ nowhere beyond chance"
    return f"Over {unit}, {', '.join(parts)}"


def _reach(found: Sequence[float]) -> str:
    """Between which shares kept something holds, its points ascending."""
    low, high = percent(found[0]), percent(found[-1])
    return f"at {low} kept" if low == high else f"from {low} to {high} kept"


def _runs(sides: Mapping[float, int], side: int) -> list[list[float]]:
    """Costs, ascending, at which one side leads, a list for each run without a point where it does not."""
    return [[cost for cost, _ in run] for leads, run in groupby(sides.items(), lambda one: one[1]) if leads == side]


def _sides(own: Curve, reference: Curve) -> dict[float, int]:
    """By ascending cost: 1 where `own` has its interval above the other's, -1 below it, 0 where they overlap. The other
    is read between its points, and only where it has some on both sides."""
    there = sorted(reference.points, key=lambda point: point.x)
    costs = [point.x for point in there]
    sides = {}
    for point in sorted(own.points, key=lambda point: point.x):
        if there and costs[0] <= point.x <= costs[-1]:
            low, high = (float(np.interp(point.x, costs, [getattr(p, end) for p in there])) for end in ("low", "high"))
            sides[point.x] = int(point.low > high) - int(point.high < low)
    return sides


def front(tried: Sequence[TriedCut], kept_share: float | None, n: int) -> str:
    """What the best of both kinds under the budget is right on, of the `n` images that choose."""
    within = [one for one in tried if kept_share is None or one.x <= kept_share + 1e-9]
    tops = {rule: max((one.y for one in within if one.rule == rule), default=None) for rule in (False, True)}
    if None in tops.values():
        return f"Tried so far: {len(tried):,}, on {n:,} images that only choose"
    budget = "" if kept_share is None else f" with {percent(kept_share)} kept or less"
    best, rule = (f"{100 * (tops[kind] or 0):.1f} %" for kind in (False, True))
    return f"Best found {best}, best fixed rule {rule}{budget}, on the {n:,} images that choose"
