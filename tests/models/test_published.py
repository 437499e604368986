"""Faithfulness: published counts reproduced, and a DIMAP that is neither another criterion nor another scope.

`pytest -rP tests/models/test_published.py` shows the table of paper and computed values.
"""

import numpy as np
import pytest

from dimap_core.cut.keep import keep_mask
from dimap_core.models.published import PUBLICATIONS, Figure, publication, results
from dimap_core.pipeline.chain import apply_plan, score
from dimap_core.pipeline.opened import open_model
from dimap_core.studies import published_counts
from dimap_core.studies.architectures import spvit, vit
from dimap_core.types.plan import PruningPlan

RATIOS = tuple(publication("dimap").content["ratios"].values())  # DIMAP1, DIMAP2, DIMAP3


LEAST = {"flatten": 3}  # figures; the others have dozens


@pytest.mark.parametrize("key", PUBLICATIONS)
def test_every_published_count_is_met_or_differs_as_noted(key):
    found = list(published_counts.rows(key))
    print(f"\n{publication(key).paper}")
    for figure, value in found:
        print(f"{figure.model:32}{figure.what:50}{figure.printed:>16}{figure.rounded(value):>16} {figure.remark}")
    assert len(found) >= LEAST.get(key, 20)
    assert [(figure.model, figure.what, value) for figure, value in found if not figure.agrees(value)] == []
    # A note is there for what differs, and for nothing else but the two that say whose counting it is.
    for figure, value in found:
        assert (figure.rounded(value) != figure.printed) == bool(figure.ours)
        assert figure.remark or not figure.ours


def test_a_uniform_cut_removes_the_published_share_of_macs_and_dimap_itself_fewer():
    paper = publication("dimap")
    found = published_counts.of_cuts(paper, "Swin-T")
    printed = {figure.model: float(figure.printed) for figure in paper.figures if figure.where == "Table 1, FLOPs"}
    for level in paper.content["ratios"]:
        uniform = found[f"Swin-T-{level}", "MACs removed by a uniform cut, %"]
        assert uniform == pytest.approx(printed[f"Swin-T-{level}"], abs=0.2)
        assert found[f"Swin-T-{level}", "MACs removed by DIMAP, %"] < 0.75 * uniform


def test_widths_give_the_counts_of_timms_own_models():
    for key in ("spvit", "nvit"):
        for name, timm_name in publication(key).content["models"].items():
            cost = published_counts.dense(timm_name)
            if key == "nvit":
                of = publication(key).content["architectures"][name]
                assert vit(of["width"], of["heads"], of["qk"], of["v"], of["hidden"]) == cost
            else:
                built = next(a for a in publication(key).content["architectures"].values() if a["dense"] == name)
                depths = built["depths"] or [len(built["blocks"])]
                hidden = [4 * built["embed_dim"] * 2**stage for stage, depth in enumerate(depths) for _ in range(depth)]
                assert spvit({**built, "blocks": [("msa", units) for units in hidden]}) == cost


def test_the_table_of_papers_results_says_what_their_own_files_say():
    rows = {(row["method"], row["model"], row["how"]): row for row in results()}
    table = publication("dimap").content["table1"]
    for size, key in (("T", "tiny"), ("S", "small"), ("B", "base")):
        for level in (1, 2, 3):
            (row,) = [r for (_, model, _), r in rows.items() if model == f"Swin-{size}, DIMAP{level}"]
            assert [float(row["dense"]), float(row["top1"])] == [table[f"swin_{key}"][at][0] for at in (0, level)]
    accuracy = publication("spvit").content["accuracy"]
    for (method, model, how), row in rows.items():
        assert row["where"] and (row["top1"] or row["change"])
        if method == "SPViT":
            assert float(row["top1"]) == accuracy[model]["top1_kd" if how == "with distillation" else "top1"]
    nvit = publication("nvit").content["unchecked"]["models"]
    assert {m.split(" ")[0]: float(row["top1"]) for (method, m, _), row in rows.items() if method == "NViT"} == {
        name: printed["top1"] for name, printed in nvit.items()
    }


def test_a_figure_is_compared_to_the_digits_that_are_printed():
    figure = Figure("m", "MACs, G", "3.3", "paper", "Table 1")
    assert figure.agrees(3.3499e9) and not figure.agrees(3.3501e9) and figure.quantity == "MACs"
    noted = Figure("m", "params removed, %", "52.0", "paper", "abstract", "52.1", "as the note says")
    assert noted.agrees(52.12) and not noted.agrees(52.0) and noted.quantity == "params removed, %"


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
