"""NViT's score of live units and its one ranking of groups over all kinds and layers.

Paper: Yang et al., CVPR 2023 (arXiv 2110.04869). Eq. 6, NViT's Hessian-motivated score: (sum over s in S of w_s *
dL/dw_s)^2, squared per batch (it is the squared first-order term; no curvature is left in it). Eq. 7: minus eta times
the cost that the group's removal saves. What a unit reads, and by what its sum is divided, is not in the text; it is
taken from what is known of the released code, as in `criteria.nvit`, which ranks by the same score once. Scores are
taken before the update that uses the same gradients, where the released code takes them after it.
Next door: `method` is the search that cuts by this.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from torch import nn

from ....anatomy import nvit_sums
from ....criteria import DIVISORS
from ....cut import scored_axes
from ..costs import Cost
from ..units import EMBED, Units


def squared_effects(model: nn.Module, units: Units) -> Iterator[tuple[str, np.ndarray]]:
    """(layer of units, Eq. 6 of each) from the gradients that the model's parameters hold now, float64."""
    embed, axes = 0.0, scored_axes(units.axes)
    named = dict(model.named_parameters())
    products = {}
    for name, parameter in named.items():
        if parameter.grad is not None:
            products[name] = (parameter.grad.double() * parameter.detach().double()).cpu().numpy()
    for name, axis in axes.items():
        others = tuple(at for at in range(named[name].ndim) if at != axis)
        embed = embed + products[name].sum(axis=others)
    for block in units.anatomy.blocks:
        start = f"{block.name}."
        inside = {name.removeprefix(start): found for name, found in products.items() if name.startswith(start)}
        for kind, effect in nvit_sums(block, inside).items():
            yield f"{block.name}:{kind}", (effect / DIVISORS[kind]) ** 2
    if EMBED in units.live:
        yield EMBED, (np.asarray(embed) / len(units.anatomy.blocks)) ** 2


@dataclass(frozen=True)
class Group:
    """Units of one layer that go together: `members` their indices, `score` their sum of Eq. 6, `gain` the cost that
    their removal saves, `key` the Eq. 7 that they are ranked by."""

    layer: str
    members: np.ndarray
    score: float
    gain: float
    key: float


def ranking(worth: Mapping[str, np.ndarray], units: Units, cost: Cost, strength: float) -> list[Group]:
    """All groups that may go, lowest first, over all kinds and layers together.

    In each layer the live units are sorted and chunked; one group stays. eta = `strength` * median score / median
    gain, over the groups whose removal saves anything.
    """
    now = cost.total(units.all_widths())
    found = []
    for name, live in units.live.items():
        gain, size = now - cost.total(units.one_group_less(name)), units.sizes[name]
        alive = np.flatnonzero(live)
        order = alive[np.argsort(worth[name][alive], kind="stable")]
        for at in range(0, len(order) - 2 * size + 1, size):
            members = order[at : at + size]
            found.append((name, members, float(worth[name][members].sum()), gain))
    gains = [gain for *_, gain in found if gain > 0]
    eta = strength * float(np.median([score for _, _, score, _ in found])) / float(np.median(gains)) if gains else 0.0
    return sorted((Group(*group, group[2] - eta * group[3]) for group in found), key=lambda group: group.key)


def remove_down_to(share: float, worth: Mapping[str, np.ndarray], units: Units, cost: Cost, strength: float) -> None:
    """Let the lowest live groups go, in the order of one ranking, until `share` of the dense cost is left or nothing
    may go any more."""
    while cost.share(units.all_widths()) > share:
        groups = ranking(worth, units, cost, strength)
        if not groups:
            return
        for group in groups:
            units.live[group.layer][group.members] = False
            if cost.share(units.all_widths()) <= share:
                return
