"""One image's way through a dense model and a cut of it, as plain data. No torch.

Next door: `studies.way` makes it, `figures.way` draws it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

_FIGURES = 4  # significant digits of what is sent


@dataclass(frozen=True)
class AtBlock:
    """What one of the two models does with the image at one block.

    `attention` [heads][tokens that meet]: what the followed token gives each token that it meets, each head's sum is
    one; None where no softmax mixes tokens. `silent`: by head, whether nothing of it leaves. `energy`: by cell of the
    map, row by row, the mean square over channels of the residual stream after the block. `rollout`: what reached the
    followed token through all blocks so far from each token, its sum is one; None where tokens meet in windows.
    """

    attention: tuple[tuple[float, ...], ...] | None
    silent: tuple[bool, ...]
    energy: tuple[float, ...]
    rollout: tuple[float, ...] | None = None

    def mean(self) -> tuple[float, ...] | None:
        """The attention of all heads that say something, on average; None where none does."""
        heard = [head for head, silent in zip(self.attention or (), self.silent, strict=False) if not silent]
        return tuple(sum(shares) / len(heard) for shares in zip(*heard, strict=True)) if heard else None


@dataclass(frozen=True)
class WayStep:
    """One block on the way; sizes are (rows, columns).

    Tokens lie on a map of `grid`, cut into windows of size `window` after it was moved by `shift`; two may look at each
    other where both their `row_bands` and their `column_bands` agree. `cells`: of each token that the followed one
    meets, itself included, its cell on the map (-1: none, as the class token); `token` is its place among them.
    `difference`: of the two residual streams after the block, |pruned - dense| / |dense|, Frobenius norms over all
    tokens. `handed`: by cue ("class" for the class itself) the share that the wanted answer gets when the dense model
    takes over after this block from what the pruned one has made so far.
    """

    stage: int
    block: int
    mixer: str
    grid: tuple[int, int]
    window: tuple[int, int]
    shift: tuple[int, int]
    row_bands: tuple[int, ...]
    column_bands: tuple[int, ...]
    cells: tuple[int, ...]
    token: int
    dense: AtBlock
    pruned: AtBlock
    difference: float
    handed: Mapping[str, float]


@dataclass(frozen=True)
class Way:
    """One image through both models, block by block in `steps`; `stage_word` is what blocks are grouped in.

    `image`: its number among the `images` of the data set, None for one that was brought; `picture`: a PNG of it as the
    models see it, as a data address; `patches`: the grid of patches; `prefix`: tokens before them; `token`: the (row,
    column) of the one that is followed, or (-1, k) for the k-th before the patches. `label`: the image's class, None
    where nobody knows; `dense` and `pruned`: each class's share of the answer; `cues`: by name the value of each class,
    `cue_names` what values are called.
    """

    stage_word: str
    image: int | None
    images: int
    picture: str
    patches: tuple[int, int]
    prefix: int
    token: tuple[int, int]
    label: int | None
    classes: tuple[str, ...]
    cues: Mapping[str, tuple[int, ...]]
    cue_names: Mapping[str, tuple[str, ...]]
    dense: tuple[float, ...]
    pruned: tuple[float, ...]
    steps: tuple[WayStep, ...]

    @property
    def wanted(self) -> int:
        """The class whose fate is told: the label, or what the dense model says where there is none."""
        return answer(self.dense) if self.label is None else self.label

    @property
    def by(self) -> tuple[str, ...]:
        """What shares are told of: each cue, or the class where there are none."""
        return tuple(self.cues) or ("class",)

    def share(self, shares: tuple[float, ...], by: str) -> float:
        """Of an answer's `shares` what the wanted class gets, or all classes that have its value of a cue."""
        return share(shares, self.wanted, self.cues.get(by))

    def name(self, by: str) -> str:
        """What the wanted class, or its value of a cue, is called."""
        return self.value(self.wanted, by)

    def value(self, of: int, by: str) -> str:
        """What a class, or its value of a cue, is called."""
        return self.classes[of] if by == "class" else self.cue_names[by][self.cues[by][of]]

    @property
    def parting(self) -> tuple[int, float, float]:
        """(the stage, from 0, whose blocks move the two furthest apart; their difference before it and after it)."""
        last = {step.stage: step.difference for step in self.steps}
        before = dict(zip(last, (0.0, *last.values()), strict=False))
        stage = max(last, key=lambda stage: last[stage] - before[stage])
        return stage, before[stage], last[stage]

    def loss(self, by: str) -> tuple[WayStep, float, float]:
        """(the block at which most of the wanted answer gets lost to a dense model that takes over; its share before
        and after it)."""
        left = [self.share(self.dense, by), *(step.handed[by] for step in self.steps)]
        fell = [before - after for before, after in pairwise(left)]
        place = max(range(len(fell)), key=fell.__getitem__)
        return self.steps[place], left[place], left[place + 1]

    def event(self) -> dict[str, Any]:
        """JSON, numbers to four significant digits."""
        return _rounded(asdict(self))


@dataclass(frozen=True)
class Glance:
    """What both models say of one image: a small `picture` of it as a data address, and of `dense` and `pruned` the
    likeliest classes with their shares of the answer, 0..1."""

    picture: str
    dense: tuple[tuple[str, float], ...]
    pruned: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Spread:
    """How far apart many `images` are, as `WayStep.difference`: by block the 10th, 50th and 90th percentile."""

    images: int
    low: tuple[float, ...]
    middle: tuple[float, ...]
    high: tuple[float, ...]


def answer(shares: tuple[float, ...]) -> int:
    """The class with the largest share."""
    return max(range(len(shares)), key=shares.__getitem__)


def share(shares: tuple[float, ...], wanted: int, values: tuple[int, ...] | None) -> float:
    """What class `wanted` gets, or with the cue's `values` by class all that share its value."""
    if values is None:
        return shares[wanted]
    return sum(part for part, value in zip(shares, values, strict=True) if value == values[wanted])


def _rounded(found: Any) -> Any:
    if isinstance(found, float):
        return float(f"{found:.{_FIGURES}g}")
    if isinstance(found, dict):
        return {key: _rounded(value) for key, value in found.items()}
    return [_rounded(value) for value in found] if isinstance(found, list | tuple) else found
