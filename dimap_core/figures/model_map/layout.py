"""Where the map's parts lie, in px: stages beside each other on one base line, or one below the other on a phone.

A block is as high as the root of its map's side and as wide as the root of its channels, so that blocks whose linear
layers cost equal MACs have equal areas. Next door: `blocks` has their form, `drawing` draws.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from ...types import Anatomy, Stage
from .blocks import Form, form, weights_of

WIDE, MEDIUM, NARROW = 1000, 720, 358  # of pictures, so that words need not shrink
LEAST = 10.0  # of a block's width; below it one is drawn for several
_CLOSE = 1e-6  # to which scales are found
IMAGE = 84  # side of the image's grid
_HEAD, _HIGH = 134, 240  # above the wide picture's blocks; of its highest block
_LEFT, _RIGHT = 104, 84  # beside the stages: the image, the modules' names
_COLUMN, _APART = 112, 20  # of a stage at least; between two
_ROW_HEAD, _ROW_HIGH = 118, 84  # the same of the narrow picture
_DRAWN, _ROW, _BELOW = 150, 88, 12  # its blocks' room across; of a row at least; between two rows
_NUMBERS = 20  # below blocks
_BRIEF_HEAD, _BRIEF_HIGH, _BRIEF_LEFT, _BRIEF_COLUMN = 92, 96, 6, 60  # of the map above another figure
_BARE_COLUMN = 140  # of a stage under large words
_BETWEEN, _THIN = 1.5, 4.0  # two bands; of a band at least


class Band(NamedTuple):
    """A module's place in a block: its class, or the mixer in the attention's place."""

    module: str
    x: float
    y: float
    wide: float
    high: float


class Drawn(NamedTuple):
    """A block, or several that are alike in one; `blocks`: their places in the stage."""

    blocks: range
    bands: Sequence[Band]
    x: float
    y: float
    wide: float
    high: float


class Column(NamedTuple):
    """A stage: its blocks, and where its words begin and how much room they have."""

    stage: Stage
    form: Form
    drawn: Sequence[Drawn]
    x: float
    y: float
    room: float


class Layout(NamedTuple):
    """A whole picture; `image`: the grid's left, top and side, where there is one."""

    width: float
    height: float
    columns: Sequence[Column]
    image: tuple[float, float, float] | None


def wide(anatomy: Anatomy, width: int = WIDE, opened: int | None = None) -> Layout:
    """Stages from left to right on one base line; each block of the stage `opened` is drawn, however thin."""
    columns = _row(anatomy, (_LEFT, width - _RIGHT), _COLUMN, _HEAD + _HIGH, _HIGH, opened)
    return Layout(width, _HEAD + _HIGH + 24, columns, (0, _HEAD + _HIGH - IMAGE, IMAGE))


def brief(anatomy: Anatomy, width: int = WIDE, opened: int | None = None) -> Layout:
    """The same, low and without the image: to stand above another figure."""
    ends, base = (_BRIEF_LEFT, width - _BRIEF_LEFT), _BRIEF_HEAD + _BRIEF_HIGH
    columns = _row(anatomy, ends, _BRIEF_COLUMN, base, _BRIEF_HIGH, opened)
    return Layout(width, _BRIEF_HEAD + _BRIEF_HIGH + 24, columns, None)


def bare(anatomy: Anatomy, width: int, head: int, high: int) -> Layout:
    """The same without the image, for large words of two lines: `head` px above the highest block, `high` px high."""
    columns = _row(anatomy, (_BRIEF_LEFT, width - _BRIEF_LEFT), _BARE_COLUMN, head + high, high, None)
    return Layout(width, head + high + 4, columns, None)


def _row(
    anatomy: Anatomy, ends: tuple[float, float], column: float, base: float, high: float, opened: int | None
) -> list[Column]:
    """Stages from left to right between two `ends`, each at least a `column` across, the highest block `high`."""
    room = ends[1] - ends[0] - _APART * (len(anatomy.stages) - 1)
    least = min(column, room / len(anatomy.stages))
    plan = _grouped(anatomy, lambda taken: sum(max(least, across) for across in taken) <= room, opened)
    columns, x = [], float(ends[0])
    for stage, taken in zip(anatomy.stages, plan.taken, strict=True):
        drawn = plan.blocks(stage, x, base, high)
        across = max(least, taken) + _APART
        columns.append(Column(stage, form(stage.blocks[0]), drawn, x, drawn[0].y, across))
        x += across
    return columns


def narrow(anatomy: Anatomy, opened: int | None = None) -> Layout:
    """One row a stage: its blocks at the left, words at the right."""
    plan = _grouped(anatomy, lambda taken: max(taken) <= _DRAWN, opened)
    columns, top = [], float(_ROW_HEAD)
    for stage, taken, root in zip(anatomy.stages, plan.taken, plan.roots, strict=True):
        high = _ROW_HIGH * root.down
        row = max(_ROW, high + _NUMBERS)
        drawn = plan.blocks(stage, (_DRAWN - taken) / 2, top + (row - _NUMBERS + high) / 2, _ROW_HIGH)
        columns.append(Column(stage, form(stage.blocks[0]), drawn, _DRAWN + 16, top, NARROW - _DRAWN - 16))
        top += row + _BELOW
    return Layout(NARROW, top, columns, (0, _ROW_HEAD - 66, 48))


class _Root(NamedTuple):
    """How much wider and higher a stage's blocks are than those of stage 1."""

    across: float
    down: float


class _Plan(NamedTuple):
    """How blocks are drawn: `scale` px across in stage 1, `each` so many as one, in `counts`."""

    roots: Sequence[_Root]
    counts: Sequence[int]
    each: Sequence[int]
    scale: float

    @property
    def gap(self) -> float:
        """Px between two blocks."""
        return 3.0 if sum(self.counts) >= 16 else 6.0

    @property
    def taken(self) -> list[float]:
        """Px across that each stage takes."""
        return [
            count * self.scale * root.across + (count - 1) * self.gap
            for count, root in zip(self.counts, self.roots, strict=True)
        ]

    def blocks(self, stage: Stage, x: float, base: float, high: float) -> list[Drawn]:
        """A stage's blocks from its lower left corner; `high` px in stage 1."""
        root, per = self.roots[stage.index], self.each[stage.index]
        across, down = self.scale * root.across, high * root.down
        found = []
        for first in range(0, len(stage.blocks), per):
            bands = _bands(weights_of(stage.blocks[first : first + per]), x, base - down, across, down)
            found.append(Drawn(range(first, first + per), bands, x, base - down, across, down))
            x += across + self.gap
        return found


def _grouped(anatomy: Anatomy, fits: Callable[[Sequence[float]], bool], opened: int | None) -> _Plan:
    """The largest scale at which what the stages take fits. Where a block would be thinner than `LEAST`, several are
    drawn as one in those stages that take most room, until none is; but none of the stage `opened`."""
    forms = [form(stage.blocks[0]) for stage in anatomy.stages]
    roots = [_Root(math.sqrt(own.width / forms[0].width), math.sqrt(own.side / forms[0].side)) for own in forms]
    blocks = [len(stage.blocks) for stage in anatomy.stages]
    each = [1] * len(blocks)
    while True:
        counts = [count // per for count, per in zip(blocks, each, strict=True)]
        plan = _largest(_Plan(roots, counts, each, 0.0), fits)
        if max(counts) == 1 or plan.scale * min(root.across for root in roots) > LEAST - _CLOSE:
            return plan if opened is None else _opened(plan, opened, blocks[opened], fits)
        taken = [need if count > 1 else 0 for need, count in zip(plan.taken, counts, strict=True)]
        each = [
            next(more for more in range(per + 1, count + 1) if count % more == 0) if need > max(taken) - _CLOSE else per
            for need, per, count in zip(taken, each, blocks, strict=True)
        ]


def _opened(plan: _Plan, stage: int, blocks: int, fits: Callable[[Sequence[float]], bool]) -> _Plan:
    """The plan with all `blocks` of a stage drawn."""
    counts, each = list(plan.counts), list(plan.each)
    counts[stage], each[stage] = blocks, 1
    return _largest(plan._replace(counts=counts, each=each), fits)


def _largest(plan: _Plan, fits: Callable[[Sequence[float]], bool]) -> _Plan:
    """The plan at the largest scale that fits, found by halving."""
    low, high = 0.0, float(WIDE)
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if fits(plan._replace(scale=middle).taken) else (low, middle)
    return plan._replace(scale=low)


def _bands(weights: Mapping[str, int], x: float, top: float, across: float, down: float) -> list[Band]:
    """Bands one below the other, high by their weights, none thinner than `_THIN`."""
    left = down - _BETWEEN * (len(weights) - 1)
    thin: set[str] = set()
    while True:
        free = left - _THIN * len(thin)
        total = sum(count for module, count in weights.items() if module not in thin)
        more = {m for m, count in weights.items() if m not in thin and free * count / total < _THIN}
        if not more:
            break
        thin |= more
    found = []
    for module, count in weights.items():
        high = _THIN if module in thin else free * count / total
        found.append(Band(module, x, top, across, high))
        top += high + _BETWEEN
    return found
