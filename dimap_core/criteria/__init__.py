"""Criteria: what one unit is worth. One file a criterion; `CRITERIA` is the list that everything else reads.

To add one: a file with `score(model, anatomy, granularity, statistics, seed) -> Scores` (higher = keep), a row here,
a hand-value test. Which scores compete with which is the plan's scope, not the criterion's business.
"""

from ..errors import InvalidPlan
from ..types import CriterionInfo
from . import dimap, magnitude, random, taylor

CRITERIA = (
    CriterionInfo(
        key="dimap",
        label="DIMAP",
        fn=dimap.score,
        paper="He & Zhou, ICLR 2024, arXiv 2404.13648",
        equation="Eq. 10: w² / Σ of the layer's squares at least as large",
        summary="How much of its layer's remaining energy a weight carries; comparable across layers of any scale.",
    ),
    CriterionInfo(
        key="magnitude",
        label="Magnitude",
        fn=magnitude.score,
        paper="Han et al., NeurIPS 2015, arXiv 1506.02626",
        equation="|w|",
        summary="The absolute value. Small weights go first, whichever layer they sit in.",
    ),
    CriterionInfo(
        key="random",
        label="Random",
        fn=random.score,
        paper="control, no paper",
        equation="uniform draw",
        summary="A lottery with a fixed seed: the floor that every criterion must beat.",
    ),
    CriterionInfo(
        key="taylor",
        label="Taylor",
        fn=taylor.score,
        paper="Molchanov et al., CVPR 2019, arXiv 1906.10771",
        equation="Σ over batches of (Σ of the group's ∂L/∂w · w)²",
        summary="How much the loss on training images would change without the group, to first order.",
        needs=frozenset({"weights", "gradients"}),
        scores=frozenset({"structure"}),
    ),
)


def criterion(key: str) -> CriterionInfo:
    """The row of that key; raises InvalidPlan listing the keys there are."""
    for info in CRITERIA:
        if info.key == key:
            return info
    raise InvalidPlan(f"There is no criterion '{key}'; choose one of {', '.join(info.key for info in CRITERIA)}.")
