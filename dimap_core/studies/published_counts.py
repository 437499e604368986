"""Counts of everything that `models.published` has figures of: timm's models part by part, cuts as the plan makes them,
and architectures that timm does not have from their widths.

Next door: `architectures` adds up widths, `anatomy` and `pipeline` count models, `cli.reproduce` compares with what is
printed.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..anatomy import build_anatomy
from ..cut import linearise
from ..measure import cost_report
from ..models import Figure, Publication, publication, skeleton
from ..pipeline import Opened, apply_plan, open_model
from ..types import PruningPlan
from .architectures import Cost, by_search_formula, spvit, vit

Counts = dict[tuple[str, str], float]
"""(model, quantity) -> what is counted, shares in %."""

CUTS = {"DIMAP": PruningPlan("dimap", scope="module"), "a uniform cut": PruningPlan("magnitude", scope="layer")}


def dense(name: str, linear_stages: int = 0) -> Cost:
    """Params and MACs of a timm model, which gets no memory for its weights; the first `linear_stages` of a Swin with
    focused linear attention."""
    model, info = skeleton(name)
    if linear_stages:
        linearise(model, linear_stages)
    total = cost_report(build_anatomy(model, info.family)).total
    return Cost(total.params, total.macs)


def _removed(opened: Opened, cut: PruningPlan, ratio: float) -> tuple[float, float]:
    """Percent of params and of MACs that a plan removes at a ratio."""
    total = apply_plan(opened, PruningPlan(cut.criterion, scope=cut.scope, ratio=ratio))[1].total
    return 100 * (1 - total.params_after / total.params), 100 * (1 - total.macs_after / total.macs)


def counts(paper: Publication) -> Counts:
    """Everything countable of a paper's models."""
    names = paper.content["models"]
    if paper.key == "flatten":
        stages = paper.content["linear_stages"]
        return {(short, "MACs"): dense(name, stages).macs for short, name in names.items()}
    if paper.key == "dimap":
        return {key: value for short in names for key, value in of_cuts(paper, short).items()}
    found = dict(_spvit(paper) if paper.key == "spvit" else _nvit(paper))
    for short, name in names.items():
        found[short, "params"], found[short, "MACs"] = dense(name)
    return found


def rows(key: str) -> Iterator[tuple[Figure, float]]:
    """Every figure of a paper with our count of it."""
    paper = publication(key)
    found = counts(paper)
    for figure in paper.figures:
        yield figure, found[figure.model, figure.quantity]


def of_cuts(paper: Publication, short: str) -> Counts:
    """Cuts of one Swin with random weights, seed 0: DIMAP's and a uniform one at each of the paper's three ratios."""
    opened, found = open_model(paper.content["models"][short], "random"), {}
    for by, cut in CUTS.items():
        for level, ratio in paper.content["ratios"].items():
            params, macs = _removed(opened, cut, ratio)
            found[f"{short}-{level}", f"MACs removed by {by}, %"] = macs
            if by == "DIMAP":
                found[f"{short}-{level}", "params removed, %"] = params
    return found


def _spvit(paper: Publication) -> Iterator[tuple[tuple[str, str], float]]:
    for name, architecture in paper.content["architectures"].items():
        merged = spvit(architecture)
        yield (name, "params"), merged.params
        yield (name, "MACs"), merged.macs
        yield (name, "params as fine-tuned"), spvit(architecture, unmerged=True).params
        if architecture["family"] == "deit":
            dense_blocks = [("msa", 4 * architecture["embed_dim"])] * len(architecture["blocks"])
            own, all_of_it = (
                by_search_formula(architecture),
                by_search_formula({**architecture, "blocks": dense_blocks}),
            )
            yield (name, "MACs by the authors' formula"), own
            yield (name, "MACs removed by the authors' formula, %"), 100 * (1 - own / all_of_it)


def _nvit(paper: Publication) -> Iterator[tuple[tuple[str, str], float]]:
    built = paper.content["architectures"]

    def cost(name: str, distilled: bool = False) -> Cost:
        of = built[name]
        return vit(of["width"], of["heads"], of["qk"], of["v"], of["hidden"], distilled)

    base, base_distilled = cost("DeiT-B"), cost("DeiT-B", True)
    for name in built:
        plain, distilled = cost(name), cost(name, True)
        yield (name, "params"), plain.params
        yield (name, "MACs"), plain.macs
        yield (name, "params, distilled"), distilled.params
        yield (name, "MACs, distilled"), distilled.macs
        yield (name, "params, times less than DeiT-B"), base.params / plain.params
        yield (name, "params, times less than the distilled DeiT-B"), base_distilled.params / plain.params
        yield (name, "MACs, times less than DeiT-B"), base.macs / plain.macs
        yield (name, "MACs, times less than DeiT-B, both distilled"), base_distilled.macs / distilled.macs
