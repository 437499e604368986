"""Criteria: what one unit is worth. One file a criterion; `CRITERIA` is the list that everything else reads.

To add one: a file with `score(model, anatomy, granularity, statistics, seed) -> Scores` (higher = keep), a row here,
a hand-value test. Which scores compete with which is the plan's scope, not the criterion's business. What a criterion
needs besides weights comes from `statistics` (gradients, activations: one pass for all) or `gates` (attributions).
A formula that someone typed has a row too, made from its key: see `formula`.
"""

import hashlib

from ..types import CriterionInfo, InvalidPlan
from . import activation, conductance, dimap, magnitude, nvit, obs, random, snip, taylor, wanda
from .formula import PREFIX, row
from .reconstruction import plain, weighed

_GROUPS = frozenset({"structure"})

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
        summary="How much the loss on training images would change without the weight or group, to first order.",
        needs=frozenset({"weights", "gradients"}),
    ),
    CriterionInfo(
        key="nvit",
        label="NViT score, one-shot",
        fn=nvit.score,
        paper="Yang et al., CVPR 2023, arXiv 2110.04869",
        equation="Eq. 6: mean over batches of (Σ of the group's w · ∂L/∂w)²",
        summary="NViT's own units and divisors. Motivated by the Hessian, but in the end a squared first-order effect.",
        needs=frozenset({"weights", "gradients"}),
        scores=_GROUPS,
    ),
    CriterionInfo(
        key="wanda",
        label="Wanda",
        fn=wanda.score,
        paper="Sun et al., ICLR 2024, arXiv 2306.11695; its structured form is a reconstruction",
        equation="Eq. 1: rank of |w| · ‖x‖₂ within its output row; groups ‖W_j‖² · E[x_j²]",
        summary="Magnitude times the size of the input it meets; every output row loses the same share of its weights.",
        needs=frozenset({"weights", "activations"}),
    ),
    CriterionInfo(
        key="activation",
        label="Activation energy",
        fn=activation.score,
        paper="after Hu et al., 2016, arXiv 1607.03250",
        equation="E[x_j²] over training images",
        summary="How strongly a unit responds to images, whatever the next layer makes of it.",
        needs=frozenset({"weights", "activations"}),
        scores=_GROUPS,
    ),
    CriterionInfo(
        key="snip",
        label="SNIP",
        fn=snip.score,
        paper="Lee et al., ICLR 2019, arXiv 1810.02340",
        equation="Eq. 6: |∂L/∂w · w| of the mean gradient, as a share of all",
        summary="How fast the loss moves when the weight or group is faded out; effects of opposite sign cancel.",
        needs=frozenset({"weights", "gradients"}),
    ),
    CriterionInfo(
        key="obs",
        label="OBS",
        fn=obs.score,
        paper="Hassibi & Stork, NeurIPS 1992; layer by layer as in arXiv 2208.11580, in groups as in arXiv 2412.18110",
        equation="w² / (2 [S⁻¹]_jj); groups tr(W_R ([S⁻¹]_RR)⁻¹ W_Rᵀ), S the covariance of the layer's inputs",
        summary="The output error that stays after the rest of the layer has made up for the loss as well as it can.",
        needs=frozenset({"weights", "activations"}),
    ),
    CriterionInfo(
        key="conductance",
        label="Conductance",
        fn=conductance.score,
        paper="Sundararajan et al., ICML 2017, arXiv 1703.01365; Dhamdhere et al., ICLR 2019, arXiv 1805.12233",
        equation="mean |∫ ∂ log p / ∂ gate|, gates of a layer from 0 to 1",
        summary="What a unit adds to the right answer while its layer is turned on, by captum's integrated gradients. "
        "Slow: it reads one in eight of the images.",
        needs=frozenset({"weights", "attributions"}),
        scores=_GROUPS,
    ),
    CriterionInfo(
        key="reconstruction",
        label="Reconstruction",
        fn=plain.score,
        paper="ours, after Hassibi & Stork, 1992, ZipLM, arXiv 2302.04089, and OSSCAR, arXiv 2403.12983",
        equation="growth of tr(W_R ([S⁻¹]_RR)⁻¹ W_Rᵀ), units removed one after the other, OBS updates in between",
        summary="The output error that a unit's loss adds after refit, given what went before it. Needs images, no "
        "labels.",
        needs=frozenset({"weights", "moments"}),
        scores=_GROUPS,
    ),
    CriterionInfo(
        key="fisher",
        label="Reconstruction, weighed by the answer",
        fn=weighed.score,
        paper="ours, after Hassibi & Stork, 1992, SparseGPT, arXiv 2301.00774, and EigenDamage, arXiv 1905.05934",
        equation="growth of tr(G · error after refit) / 2, G = E[g gᵀ], g = ∂ log p(y) / ∂ output, y the model's own",
        summary="Nats by which the answers change, after refit: one quantity for all layers and kinds, so let them "
        "compete over the model, per MAC. Needs images, no labels.",
        needs=frozenset({"weights", "fisher"}),
    ),
)


def images_read(key: str, images: int) -> int:
    """How many of the `images` that a plan lets it read matter to a criterion's scores: all, or none."""
    return images if criterion(key).reads_images else 0


def criterion(key: str) -> CriterionInfo:
    """The row of that key, a formula's too; raises InvalidPlan that lists the keys there are, or says what is wrong
    with the formula."""
    if key.startswith(PREFIX):
        return row(key)
    for info in CRITERIA:
        if info.key == key:
            return info
    raise InvalidPlan(f"There is no criterion '{key}'; choose one of {', '.join(info.key for info in CRITERIA)}.")


def offered(key: str) -> tuple[CriterionInfo, ...]:
    """The rows to choose from where that key is in force: a formula is among them while it is."""
    return (*CRITERIA, criterion(key)) if key.startswith(PREFIX) else CRITERIA


def stem(key: str) -> str:
    """The key in the name of a file, as no formula could be."""
    if not key.startswith(PREFIX):
        return key
    return f"formula-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
