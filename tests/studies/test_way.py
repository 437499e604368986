"""An image's way: against both models run whole, hybrids of the two included."""

import base64
import copy
import io
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import TypeAdapter

from dimap_core import pipeline
from dimap_core.anatomy.segments import segments
from dimap_core.cut.linear_attention import linearise
from dimap_core.cut.masks import with_weights
from dimap_core.data.batches import normalised, stratified_order
from dimap_core.data.from_source import one_image
from dimap_core.data.registry import load_data
from dimap_core.pipeline.chain import apply_plan, cut_weights
from dimap_core.studies import way as module
from dimap_core.studies.sweep import compare
from dimap_core.studies.way import follow, look_for
from dimap_core.types.errors import DataError
from dimap_core.types.plan import PruningPlan
from dimap_core.types.way import AtBlock, Way, WayStep
from tests.helpers import SINGLE, same

DIGITS = load_data("digits")
CUTS = {
    "zeros": PruningPlan(ratio=0.6, scope="layer"),
    "structures": PruningPlan(granularity="structure", overrides=(((None, "head"), 0.5), ((None, "mlp_neuron"), 0.5))),
    "repaired": PruningPlan(granularity="structure", overrides=(((None, "mlp_neuron"), 0.5),), repair=True, images=32),
}


def way(opened, plan, image=7, token=None, data=DIGITS):
    *_, (_, found) = follow(opened, data, plan, image, token)
    return found


def shares(model, info, image=7):
    with torch.no_grad():
        logits = model(normalised(info, DIGITS.images[image][None]).to(next(model.parameters()).dtype))
    return logits[0].softmax(-1).numpy()


def streams(model, anatomy, info, image=7):
    """What leaves each block, by plain hooks."""
    found = []
    hooks = [
        model.get_submodule(block.name).register_forward_hook(lambda _, given, made: found.append(made.numpy()))
        for block in anatomy.blocks
    ]
    shares(model, info, image)
    for hook in hooks:
        hook.remove()
    return found


@pytest.mark.parametrize("cut", CUTS)
def test_both_models_are_those_that_are_judged(tiny, cut):
    plan = CUTS[cut]
    found = way(tiny, plan)
    pruned = pipeline.prune(tiny, plan)[0]  # for structures a really smaller one
    assert same(np.array(found.dense), shares(tiny.model, tiny.info), SINGLE)
    assert same(np.array(found.pruned), shares(pruned, tiny.info), SINGLE)
    before, after = (streams(model, tiny.anatomy, tiny.info) for model in (tiny.model, pruned))
    prefix = found.prefix
    for step, dense, cut in zip(found.steps, before, after, strict=True):
        apart = np.linalg.norm(dense.astype(np.float64) - cut) / np.linalg.norm(dense.astype(np.float64))
        assert step.difference == pytest.approx(apart, rel=SINGLE * 10)
        for at, stream in ((step.dense, dense), (step.pruned, cut)):
            tokens = stream.reshape(-1, stream.shape[-1])[prefix:]
            assert same(np.array(at.energy), (tokens.astype(np.float64) ** 2).mean(1), SINGLE)
            assert all(sum(head) == pytest.approx(1, abs=SINGLE) for head in at.attention)
    assert found.dense != found.pruned and found.steps[-1].difference > 0


@pytest.mark.parametrize("cut", ["zeros", "structures"])
def test_handing_over_is_a_model_pruned_to_there_and_dense_from_there(tiny, cut):
    plan = CUTS[cut]
    weights = cut_weights(tiny, plan, apply_plan(tiny, plan)[0])
    found, chain = way(tiny, plan), segments(tiny.model, tiny.info.family)
    for place, step in enumerate(found.steps, start=1):
        names = tuple(f"{name}." for segment in chain[:place] for name, _ in segment.parts)
        hybrid = with_weights(tiny.model, {key: value for key, value in weights.items() if key.startswith(names)})
        assert step.handed["class"] == pytest.approx(shares(hybrid, tiny.info)[found.wanted], abs=SINGLE)
    assert found.steps[-1].handed["class"] == found.pruned[found.wanted]


@pytest.mark.parametrize("cut", CUTS)
def test_a_glance_is_what_both_judged_models_say_first(tiny, cut):
    plan = CUTS[cut]
    *steps, found = module.glance(tiny, DIGITS, plan, 7)
    assert steps == [None, None]  # others get their turn after each model
    pruned = pipeline.prune(tiny, plan)[0]
    for model, said in ((tiny.model, found.dense), (pruned, found.pruned)):
        expected = shares(model, tiny.info)
        first = np.argsort(-expected, kind="stable")[:3]
        assert [name for name, _ in said] == [DIGITS.class_names[place] for place in first]
        assert [share for _, share in said] == pytest.approx(expected[first], abs=SINGLE)
    address, _, content = found.picture.partition(",")
    assert address == "data:image/png;base64"
    seen = np.asarray(Image.open(io.BytesIO(base64.b64decode(content)))).transpose(2, 0, 1)
    assert np.array_equal(seen, DIGITS.images[7])


def test_a_large_picture_is_small_at_a_glance():
    pixels = np.random.default_rng(0).integers(0, 256, (3, 224, 224), dtype=np.uint8)
    address, _, content = module._thumbnail(pixels).partition(",")
    assert address == "data:image/jpeg;base64"
    assert Image.open(io.BytesIO(base64.b64decode(content))).size == (module.SMALL, module.SMALL)


def test_the_spread_is_that_of_each_images_way(tiny, monkeypatch):
    monkeypatch.setattr(module, "MANY", 9)
    *steps, (_, found) = module.spread(replace(tiny, sizes=(4,)), DIGITS, CUTS["zeros"])
    every = [
        [step.difference for step in way(tiny, CUTS["zeros"], int(image)).steps]
        for image in stratified_order(DIGITS.labels)[:9]
    ]
    assert found.images == 9 and len(steps) == 3
    for part, percent in ((found.low, 10), (found.middle, 50), (found.high, 90)):
        assert same(np.array(part), np.percentile(every, percent, axis=0), SINGLE * 10)


@pytest.mark.parametrize("cut", CUTS)
def test_rollout_is_timms_own_maps_multiplied_block_after_block(make_tiny, opened, cut):
    """The maps of timm's plain path, which a hook on their dropout sees, through the definition written out."""
    tiny, plan = opened(make_tiny("deit"), "deit"), CUTS[cut]
    found = way(tiny, plan, token=(1, 2))
    cut_model = with_weights(tiny.model, cut_weights(tiny, plan, apply_plan(tiny, plan)[0]))
    for model, who in ((tiny.model, "dense"), (cut_model, "pruned")):
        product = np.eye(len(found.steps[0].cells))
        for step, heads in zip(found.steps, plain_maps(model, tiny.info), strict=True):
            at = getattr(step, who)
            mean = heads[~np.array(at.silent)].mean(0)
            product = (mean + np.eye(len(product))) / 2 @ product
            assert same(np.array(at.rollout), product[step.token], SINGLE)
            assert same(np.array(at.mean()), mean[step.token], SINGLE)


def plain_maps(model, info):
    """Each block's [heads, N, N] in a forward pass of timm's without fused kernels, float64."""
    model, found = copy.deepcopy(model).double(), []
    for block in model.blocks:
        block.attn.fused_attn = False
        block.attn.attn_drop.register_forward_hook(lambda _, given, made: found.append(given[0][0].numpy()))
    shares(model, info)
    return found


def test_there_is_no_rollout_where_windows_part_tokens_or_patches_merge(make_tiny, opened):
    found = way(opened(make_tiny("swin"), "swin"), CUTS["zeros"])
    assert all(at.rollout is None for step in found.steps[1:] for at in (step.dense, step.pruned))
    assert any(step.window != step.grid for step in found.steps)


def test_heads_that_were_taken_out_are_told(tiny):
    found = way(tiny, CUTS["structures"])
    for step in found.steps:
        assert sum(step.pruned.silent) == len(step.pruned.silent) / 2 and not any(step.dense.silent)


def test_an_image_that_was_brought_goes_the_way_of_its_pixels(tiny):
    known = way(tiny, CUTS["zeros"], 7, (1, 1))
    mine = way(tiny, CUTS["zeros"], DIGITS.images[7], (1, 1))
    assert (mine.image, mine.label) == (None, None) and mine.wanted == int(np.argmax(mine.dense))
    assert replace(mine, image=7, label=known.label, steps=known.steps) == known
    file = io.BytesIO()
    Image.fromarray(DIGITS.images[7].transpose(1, 2, 0)).save(file, "PNG")
    assert np.array_equal(one_image(file.getvalue(), tiny.model, tiny.info), DIGITS.images[7])
    with pytest.raises(DataError, match=r"could not be read .*; bring a whole JPEG"):
        one_image(b"GIF89a nothing", tiny.model, tiny.info)


def test_json_brings_back_what_was_sent(tiny):
    found = way(tiny, CUTS["zeros"])
    sent = json.dumps(found.event())
    again = TypeAdapter(Way).validate_python(json.loads(sent))
    assert again.steps[-1].difference == pytest.approx(found.steps[-1].difference, rel=1e-3)
    assert again.steps[0].cells == found.steps[0].cells and again.picture == found.picture
    assert Way.event(again) == json.loads(sent)


def test_where_no_softmax_mixes_tokens_there_is_no_map(make_tiny, opened):
    found = way(opened(linearise(make_tiny("swin"), 1), "swin"), CUTS["zeros"])
    assert [step.dense.attention is None for step in found.steps] == [True, False, False]
    assert found.steps[0].mixer == "linear"


def looked_for(opened, data, plan, *asked):
    *_, (_, found) = look_for(opened, data, compare(opened, data, plan), *asked)
    return found


def answers(tiny, plan, order):
    """Of those images what the dense and the pruned model say, and what is right."""
    with torch.no_grad():
        images = normalised(tiny.info, DIGITS.images[order])
        said = [model(images).argmax(1).numpy() for model in (tiny.model, pipeline.prune(tiny, plan)[0])]
    return *said, DIGITS.labels[order]


def test_images_that_the_cut_gets_wrong_are_found_forwards_and_backwards(tiny):
    mine, plan = replace(tiny, dense={}), CUTS["zeros"]
    order = stratified_order(DIGITS.labels)[:240]
    dense, pruned, labels = answers(tiny, plan, order)
    wrong = order[(dense == labels) & (pruned != labels)].tolist()
    fixed = order[(dense != labels) & (pruned == labels)].tolist()
    assert len(wrong) > 2
    for after, following in ((None, wrong[0]), (wrong[0], wrong[1]), (wrong[1], wrong[2]), (wrong[-1], wrong[0])):
        assert looked_for(mine, DIGITS, plan, "broke", after).image == following
    for after, before in ((wrong[1], wrong[0]), (wrong[0], wrong[-1]), (wrong[-1], wrong[-2])):
        assert looked_for(mine, DIGITS, plan, "broke", after, True).image == before
    found = looked_for(mine, DIGITS, plan, "fixed")
    assert (found.image, found.fits) == (fixed[0], True) if fixed else not found.fits
    found = looked_for(mine, DIGITS, PruningPlan())  # nothing is cut: it is the one that lost most
    assert 0 <= found.image < len(DIGITS) and not found.fits and found.looked_at >= 240
    with pytest.raises(DataError, match="can't be chosen by 'luck'; choose one of broke, fixed, moved, kept"):
        looked_for(mine, DIGITS, plan, "luck")


def test_a_cue_is_lost_where_it_goes_and_the_others_stay(tiny):
    """The digits, as if odd or even and large or small were cues."""
    cues = {"parity": tuple(k % 2 for k in range(10)), "size": tuple(k // 5 for k in range(10))}
    data, plan = (
        replace(DIGITS, cues=cues, cue_names={"parity": ("even", "odd"), "size": ("small", "large")}),
        CUTS["zeros"],
    )
    order = stratified_order(DIGITS.labels)[:240]
    dense, pruned, labels = answers(tiny, plan, order)
    lost = order[
        (dense % 2 == labels % 2) & (dense // 5 == labels // 5)
        & (pruned % 2 != labels % 2) & (pruned // 5 == labels // 5)
    ]  # fmt: skip
    assert len(lost)
    found = looked_for(replace(tiny, dense={}), data, plan, "parity")
    assert (found.image, found.fits) == (lost[0], True)


def test_what_does_not_exist_is_refused_in_a_sentence(tiny):
    for image in (-1, len(DIGITS), None, "7"):
        with pytest.raises(DataError, match=r"no image .* in 'digits'; choose one from 1 to"):
            way(tiny, CUTS["zeros"], image)
    with pytest.raises(DataError, match="takes 32 x 32 pixels"):
        way(tiny, CUTS["zeros"], np.zeros((3, 8, 8), np.uint8))
    with pytest.raises(DataError, match="means nothing on random weights"):
        way(replace(tiny, info=replace(tiny.info, weights="random")), CUTS["zeros"])


def step(stage, block, difference, **handed):
    at = AtBlock(((1.0,),), (False,), (1.0,))
    return WayStep(stage, block, "softmax", (1, 1), (1, 1), (0, 0), (0,), (0,), (0,), 0, at, at, difference, handed)


def test_parting_and_loss_are_where_most_happens():
    steps = (
        step(0, 0, 0.3, a=0.7, b=0.9), step(0, 1, 0.1, a=0.6, b=0.9), step(1, 0, 0.5, a=0.6, b=0.2),
        step(2, 0, 0.6, a=0.1, b=0.1),
    )  # fmt: skip
    cues = {"a": (0, 1, 0, 1), "b": (0, 0, 1, 1)}
    names = {"a": ("x", "y"), "b": ("u", "v")}
    found = Way(
        "stage", 0, 9, "", (1, 1), 0, (0, 0), 3, ("xu", "yu", "xv", "yv"), cues, names, (0.0, 0.1, 0.1, 0.8),
        (0.8, 0.1, 0.1, 0.0), steps,
    )  # fmt: skip
    assert found.parting == (1, 0.1, 0.5)
    assert found.share(found.dense, "a") == pytest.approx(0.9) and found.name("a") == "y" and found.name("b") == "v"
    assert found.loss("a") == (steps[3], 0.6, 0.1) and found.loss("b") == (steps[2], 0.9, 0.2)
    assert (
        replace(found, label=None).wanted == 3 and found.by == ("a", "b") and replace(found, cues={}).by == ("class",)
    )


def test_a_model_that_is_judged_in_bf16_is_followed_in_bf16(tiny):
    found = way(replace(tiny, bf16=True), CUTS["zeros"])
    with torch.autocast("cpu", torch.bfloat16), torch.inference_mode():
        logits = tiny.model(normalised(tiny.info, DIGITS.images[7][None])).float()
    assert same(np.array(found.dense), logits[0].softmax(-1).numpy(), SINGLE)
    assert found.dense != way(tiny, CUTS["zeros"]).dense
    assert all(sum(head) == pytest.approx(1, abs=SINGLE) for step in found.steps for head in step.dense.attention)
