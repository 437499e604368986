"""Structured selection: Scores of groups + PruningPlan -> how many groups of each set go, so that no block vanishes.

Order of leaving: within a competition set by (score / cost factor, set in forward order, rank in the set). A set of
competitors of n units at ratio r loses floor(r * n + 1/2) of them, but every block keeps at least one of each kind (or
`round_to` of them). A budget is met by the common ratio that comes nearest from below, then set by set, unit by unit.
Costs are exact: heads and the dimensions inside them multiply.
Next door: `selection` forms the competition sets and does the same for single weights, `anatomy.groups` says what a
group is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..anatomy import group_sets
from ..types import KINDS, Anatomy, Block, GroupSet, PruningPlan, Scores, Selection
from .budget import FULL, count_to_remove, out_of_reach
from .lookup import DIGITS, cost_factor

_HALVINGS = 30


@dataclass(frozen=True)
class Rivals:
    """Sets of groups whose units compete, as places in `GroupProblem.sets`; `ratio` None: the common one."""

    members: tuple[int, ...]
    ratio: float | None


@dataclass(frozen=True)
class GroupProblem:
    """A structured plan on a model, as functions of the common ratio; counts are arrays over `sets`."""

    scores: Scores
    anatomy: Anatomy
    plan: PruningPlan
    rivals: tuple[Rivals, ...]

    @cached_property
    def sets(self) -> tuple[GroupSet, ...]:
        """Every set of groups of the model."""
        return group_sets(self.anatomy)

    @cached_property
    def sizes(self) -> np.ndarray:
        """Units of each set."""
        return np.array([group.size for group in self.sets])

    @cached_property
    def floors(self) -> np.ndarray:
        """Units that each set keeps at least."""
        step = np.where([group.module == "head" for group in self.sets], 1, self.plan.round_to)
        return np.minimum(step, self.sizes)

    @cached_property
    def orders(self) -> list[np.ndarray]:
        """For each group of rivals: the set of each unit that may go, in the order of leaving."""
        return [self._order(rivals.members) for rivals in self.rivals]

    def _order(self, members: Sequence[int]) -> np.ndarray:
        values, owners = [], []
        for place in members:
            group, free = self.sets[place], self.sizes[place] - self.floors[place]
            factor = cost_factor(group.macs_per_unit, self.plan.cost_exponent)
            values.append(self.scores.layers[group.name].ranked[:free] * factor)
            owners.append(np.full(free, place))
        return np.concatenate(owners)[np.argsort(np.concatenate(values), kind="stable")]

    def removed(self, common: float) -> np.ndarray:
        """Units removed from each set."""
        gone = np.zeros(len(self.sets), dtype=np.int64)
        for rivals, order in zip(self.rivals, self.orders, strict=True):
            ratio = common if rivals.ratio is None else rivals.ratio
            count = count_to_remove(ratio, self.sizes[list(rivals.members)].sum())
            gone += np.bincount(order[:count], minlength=len(gone))
        return self.rounded(gone)

    def rounded(self, gone: np.ndarray) -> np.ndarray:
        """Removed units such that what stays is the nearest multiple of `round_to`; heads and untouched sets as is."""
        step = self.plan.round_to
        if step == 1:
            return gone
        kept = self.sizes - gone
        nearest = np.clip((2 * kept + step) // (2 * step) * step, self.floors, self.sizes)
        heads = np.array([group.module == "head" for group in self.sets])
        return np.where(heads | (gone == 0), gone, self.sizes - nearest)

    @cached_property
    def _terms(self) -> tuple[np.ndarray, ...]:
        """Of each block, as shares of the dense total: cost of a hidden unit, of a head's Q/K and V dimension, of a
        pair of both (linear attention), of what a head owns beside its dimensions, and of a depthwise kernel that
        heads share as long as all V dimensions stay."""
        in_macs = self.plan.budget_kind == "macs"
        total = sum(layer.macs if in_macs else layer.params for layer in self.anatomy.layers)
        costs = self._by_block(np.array([group.macs if in_macs else group.params for group in self.sets]) / total)
        sizes = np.maximum(self._by_block(self.sizes), 1)
        neuron, head, qk, v = (costs / sizes).T
        heads, dims = sizes[:, 1], sizes[:, 2]
        pairs, kernels = np.array([_linear(block, in_macs) for block in self.anatomy.blocks]).T / total
        qk, v = qk - pairs * heads * dims, v - pairs * heads * dims
        own = head - (qk + v) * dims / heads - pairs * dims**2
        return neuron, qk / heads, v / heads, pairs, own, kernels

    @cached_property
    def _cells(self) -> tuple[list[int], list[int]]:
        """Block and kind of each set."""
        places = {block.name: place for place, block in enumerate(self.anatomy.blocks)}
        return (
            [places[group.name.partition(":")[0]] for group in self.sets],
            [KINDS.index(group.module) for group in self.sets],
        )

    def _by_block(self, values: np.ndarray) -> np.ndarray:
        """Values of all sets as [blocks, kinds]; 0 where a block has no such set."""
        table = np.zeros((len(self.anatomy.blocks), len(KINDS)), values.dtype)
        table[self._cells] = values
        return table

    def share(self, gone: np.ndarray) -> float:
        """Removed share of all dense MACs or params, whichever the budget counts; rounded, so that every processor
        finds the same nearest cut."""
        neuron, qk, v, pairs, own, kernels = self._terms
        dims = self._by_block(self.sizes)[:, 3]

        def cost(kept: np.ndarray) -> float:
            hidden, heads, d_qk, d_v = self._by_block(kept).T
            copies = np.where(d_v == dims, d_v, heads * d_v)
            attention = (qk * d_qk + v * d_v + pairs * d_qk * d_v + own) @ heads
            return float(neuron @ hidden + attention + kernels @ copies)

        return round(cost(self.sizes) - cost(self.sizes - gone), DIGITS)


def _linear(block: Block, in_macs: bool) -> tuple[float, float]:
    """Of linear attention: MACs of one Q/K with one V dimension of a head, params of a kernel that heads share."""
    if block.mixer != "linear":
        return 0.0, 0.0
    local, pairs = block.part("attn.dwc"), block.heads * block.head_dim**2
    if in_macs:
        return block.part("attn").macs / pairs, 0.0
    shared = local.shape[0] == block.head_dim < block.heads * block.head_dim
    return 0.0, local.params / local.shape[0] if shared else 0.0


def select_groups(problem: GroupProblem) -> Selection:
    """What the plan removes; raises InvalidPlan where its budget cannot be met."""
    plan = problem.plan
    ratio, gone = _solve(problem) if plan.ratio is None else (plan.ratio, problem.removed(plan.ratio))
    names = (group.name for group in problem.sets)
    return Selection(dict(zip(names, map(int, gone), strict=True)), ratio, "structure")


def _solve(problem: GroupProblem) -> tuple[float, np.ndarray]:
    """The common ratio whose cut comes nearest to the budget, and that cut."""
    target, low, high = problem.plan.budget or 0.0, 0.0, FULL
    least, most = (problem.share(problem.removed(ratio)) for ratio in (low, high))
    if not least - 1e-9 <= target <= most + 1e-9:
        raise out_of_reach(problem.plan, least, most)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if problem.share(problem.removed(middle)) <= target else (low, middle)
    return low, _mend(problem, problem.removed(low), problem.removed(high), target)


def _mend(problem: GroupProblem, under: np.ndarray, over: np.ndarray, target: float) -> np.ndarray:
    """From the cut just under the target towards the one just over it, set by set; whichever comes nearest."""
    best, gone = under, under.copy()
    for place in np.flatnonzero(over != under):
        step = problem.plan.round_to if problem.sets[place].module != "head" else 1
        while gone[place] < over[place]:
            gone[place] = min(gone[place] + step, over[place])
            if abs(problem.share(gone) - target) < abs(problem.share(best) - target):
                best = gone.copy()
            if problem.share(gone) > target:
                return best
    return best
