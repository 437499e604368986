"""Conductance: what a unit contributes to the answer while its layer is turned on, by captum's integrated gradients.

Papers: Sundararajan et al., "Axiomatic Attribution for Deep Networks", ICML 2017 (arXiv 1703.01365), Eq. 1, and
Dhamdhere et al., "How Important Is a Neuron?", ICLR 2019 (arXiv 1805.12233), which integrates over hidden units. A gate
stands on every unit of one set (hidden units of a block, its V dimensions, its Q/K dimensions), all other sets stay as
they are, and the path turns the set's gates from 0 to 1 together. With f the log-probability of the right class,

    A_u = integral over a in [0, 1] of df/dg_u at g = a * 1,    sum over u of A_u = f(all on) - f(all off),

and a unit's score is the mean of |A_u| over images: a unit that often matters stays, whether it speaks for or against
the right answer. A head is the sum of its V dimensions' A before the absolute value. Conductance proper moves the
model's input; moving gates instead makes the sums complete layer by layer, works inside Swin's windows, where captum's
LayerConductance does not, and attributes to a set what is lost if it goes.
Simplifications: an eighth of the images asked for, 8 steps of Gauss-Legendre. On a bundled model 32 images take 7 to 15
CPU seconds; on Swin-T or DeiT-S at 224 px a minute for each image.
Next door: `gates` runs captum.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..types import Anatomy, Scores, rank_groups
from .arrays import in_order, required

if TYPE_CHECKING:
    from .gates import Attributions


def score(
    model: Any, anatomy: Anatomy, granularity: str, statistics: Attributions | None = None, seed: int = 0
) -> Scores:
    """Mean absolute attribution of every group; raises DataError without attributions."""
    return rank_groups("conductance", seed, in_order(required(statistics, "Conductance").units, anatomy))
