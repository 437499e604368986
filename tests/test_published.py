"""Faithfulness: published counts reproduced, and a DIMAP that is neither another criterion nor another scope.

`pytest -rP tests/test_published.py` shows the table of paper and computed values.
"""

from functools import cache

import numpy as np
import pytest

from dimap_core.pipeline import apply_plan, open_model, score
from dimap_core.selection import keep_mask
from dimap_core.types import PruningPlan

RATIOS = (0.15, 0.35, 0.55)  # DIMAP1, DIMAP2, DIMAP3
# He & Zhou, ICLR 2024, Table 1: share of params and of FLOPs removed, in percent.
PAPER_PARAMS = {"tiny": (13.7, 32.0, 50.3), "small": (14.2, 33.2, 52.2), "base": (14.3, 33.4, 52.5)}
PAPER_MACS = {"tiny": (13.9, 32.4, 50.8), "small": (14.3, 33.2, 52.3), "base": (14.4, 33.5, 52.7)}
# What Eq. 10 with one threshold a module removes on random weights: fewer MACs than the paper prints.
OWN_MACS = (8.8, 20.9, 34.7)


def swin(size):
    return f"swin_{size}_patch4_window7_224"


@cache
def removed(size, criterion, scope):
    """Percent of (params, MACs) removed at each ratio on random weights, seed 0; all cuts of one model at once."""
    return _all_cuts(size)[criterion, scope]


@cache
def _all_cuts(size):
    opened, shares = open_model(swin(size), "random"), {}
    for criterion, scope in (("dimap", "module"), ("magnitude", "layer")):
        shares[criterion, scope] = []
        for ratio in RATIOS:
            total = apply_plan(opened, PruningPlan(criterion, scope=scope, ratio=ratio))[1].total
            params, macs = 1 - total.params_after / total.params, 1 - total.macs_after / total.macs
            shares[criterion, scope].append((100 * params, 100 * macs))
        opened.scores.clear()
    return shares


def show(title, rows):
    """Print aligned rows of (what, paper, computed)."""
    print(f"\n{title}\n{'':34}{'paper':>8}{'here':>8}")
    for what, paper, here in rows:
        print(f"{what:34}{paper:8.1f}{here:8.2f}")


@pytest.mark.parametrize("size", PAPER_PARAMS)
def test_dimap_removes_the_published_share_of_params(size):
    here = [params for params, _ in removed(size, "dimap", "module")]
    show(
        f"Swin-{size}: params removed, %",
        zip(map("DIMAP, ratio {}".format, RATIOS), PAPER_PARAMS[size], here, strict=True),
    )
    assert [round(share, 1) for share in here] == list(PAPER_PARAMS[size])


@pytest.mark.parametrize("size", PAPER_MACS)
def test_a_uniform_cut_removes_the_published_share_of_macs(size):
    here = [macs for _, macs in removed(size, "magnitude", "layer")]
    show(
        f"Swin-{size}: MACs removed, %",
        zip(map("uniform, ratio {}".format, RATIOS), PAPER_MACS[size], here, strict=True),
    )
    assert here == pytest.approx(PAPER_MACS[size], abs=0.3)


def test_dimap_itself_removes_fewer_macs_than_the_paper_prints():
    here = [macs for _, macs in removed("tiny", "dimap", "module")]
    show(
        "Swin-tiny: MACs removed, %", zip(map("DIMAP, ratio {}".format, RATIOS), PAPER_MACS["tiny"], here, strict=True)
    )
    assert [round(share, 1) for share in here] == list(OWN_MACS)


@pytest.fixture(scope="module")
def fixed():
    """The bundled Swin's architecture with random weights."""
    return open_model("swin-digits", "random")


def dimap_by_hand(model, ratio):
    """Layer name -> keep mask, from the paper: Eq. 10 for every weight, one threshold a module."""
    modules = {"qkv": [], "proj": [], "mlp": []}
    for name, parameter in model.named_parameters():
        layer = name.removesuffix(".weight")
        if not name.endswith(".weight") or ".blocks." not in name:
            continue
        for module, ends in (("qkv", "attn.qkv"), ("proj", "attn.proj"), ("mlp", ("mlp.fc1", "mlp.fc2"))):
            if layer.endswith(ends):
                modules[module].append((layer, parameter.detach().numpy().astype(np.float64)))
    masks = {}
    for layers in modules.values():
        scores = []
        for _, weight in layers:
            squares = weight.ravel() ** 2
            order = np.argsort(-squares)
            importance = np.empty_like(squares)
            importance[order] = squares[order] / np.cumsum(squares[order])
            scores.append(importance)
        everyone = np.concatenate(scores)
        count = int(ratio * everyone.size + 0.5)
        threshold = np.partition(everyone, count)[count]  # the smallest score that stays
        for (layer, weight), importance in zip(layers, scores, strict=True):
            masks[layer] = (importance >= threshold).reshape(weight.shape)
    return masks


def masks_of(opened, plan):
    selection, _ = apply_plan(opened, plan)
    return {name: keep_mask(score(opened, plan).layers[name], gone) for name, gone in selection.removed.items()}


@pytest.mark.parametrize("ratio", RATIOS)
def test_the_default_plan_is_the_papers_dimap_weight_by_weight(fixed, ratio):
    masks, expected = masks_of(fixed, PruningPlan(ratio=ratio)), dimap_by_hand(fixed.model, ratio)
    assert masks.keys() == expected.keys()
    for name, mask in masks.items():
        np.testing.assert_array_equal(mask, expected[name], err_msg=name)


@pytest.mark.parametrize(
    ("criterion", "scope"), [("magnitude", "module"), ("dimap", "layer"), ("dimap", "model"), ("dimap", "stage-module")]
)
def test_another_criterion_or_scope_is_not_dimap(fixed, criterion, scope):
    expected = dimap_by_hand(fixed.model, 0.5)
    masks = masks_of(fixed, PruningPlan(criterion, scope=scope, ratio=0.5))
    differing = sum(int((masks[name] != expected[name]).sum()) for name in masks)
    assert differing > 0.01 * sum(mask.size for mask in expected.values())


def test_dimap_keeps_more_of_the_early_layers(fixed):
    masks = masks_of(fixed, PruningPlan(ratio=0.5))  # Fig. 5: lower layers keep more
    kept = [masks[f"layers.{stage}.blocks.0.mlp.fc1"].mean() for stage in range(4)]
    assert kept == sorted(kept, reverse=True) and kept[0] > kept[3] + 0.1
