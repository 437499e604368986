"""The prefix cache: after any sequence of moves the logits are those of an evaluation without it."""

import numpy as np
import pytest
import timm
import torch
from hypothesis import given, settings, strategies as st

from dimap_core import pipeline
from dimap_core.anatomy.segments import segments
from dimap_core.data.registry import load_data
from dimap_core.measure.prefix import PrefixCache, PrefixRunner, states_before
from dimap_core.types.plan import PruningPlan
from tests.helpers import same

MODELS = {
    "swin": ("swin_tiny_patch4_window7_224", {"img_size": 32, "patch_size": 2, "window_size": 4, "embed_dim": 12}),
    "deit": ("deit_tiny_patch16_224", {"img_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 4}),
    "distilled": ("deit_tiny_distilled_patch16_224", {"img_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 3}),
}


@pytest.mark.parametrize("name", MODELS)
def test_the_chain_of_segments_is_the_models_forward(name):
    base, settings_ = MODELS[name]
    model = timm.create_model(base, **settings_).eval().double()
    images = torch.randn(3, 3, 32, 32).double()
    family = "swin" if name == "swin" else "deit"
    chain = segments(model, family)
    run = PrefixRunner(model, family, chain, {}, states_before(chain, {}), PrefixCache(), "x")
    with torch.inference_mode():
        assert same(run("batch", lambda: images), model(images))


CELLS = [(0, None), (1, None), (2, None), (3, None), (3, "MLP-M"), (1, "QKV-M")]
MOVES = st.lists(
    st.tuples(
        st.sampled_from(["dimap", "magnitude", "random"]),
        st.sampled_from([0.2, 0.6]),
        st.dictionaries(st.sampled_from(CELLS), st.sampled_from([0.0, 0.3, 0.8]), max_size=3),
    ),
    min_size=2,
    max_size=5,
)


@pytest.fixture(scope="module", params=["swin-digits", "deit-digits"])
def opened(request):
    return pipeline.open_model(request.param)


@pytest.mark.parametrize("limit", [0, 300_000, 2**28])
@settings(max_examples=4)
@given(moves=MOVES)
def test_any_sequence_of_moves_gives_what_no_cache_gives(opened, limit, moves):
    data, cache = load_data("digits"), PrefixCache(limit)
    for criterion, ratio, overrides in moves:
        plan = PruningPlan(criterion, ratio=ratio, overrides=tuple(overrides.items()))
        *_, cached = pipeline.judge(opened, data, plan, 60, cache, (30,))
        *_, plain = pipeline.judge(opened, data, plan, 60, None, (30,))
        assert (cached.cues, cached.top5) == (plain.cues, plain.top5)
        assert cache.used == sum(x.nbytes for _, x in cache.kept.values()) <= limit


def test_a_change_of_the_last_stage_runs_the_last_stage_only(opened):
    data, cache = load_data("digits"), PrefixCache()
    chain = segments(opened.model, opened.info.family)
    runs = np.zeros(len(chain), int)
    hooks = [
        segment.parts[-1][1].register_forward_hook(lambda *_, place=place: runs.__setitem__(place, runs[place] + 1))
        for place, segment in enumerate(chain)
    ]
    try:
        for last in (0.2, 0.7):
            runs[:] = 0
            plan = PruningPlan(ratio=0.5, overrides=(((3, None), last),))
            list(pipeline.judge(opened, data, plan, 30, cache, (30,)))
    finally:
        for hook in hooks:
            hook.remove()
    first = sum(len(stage.blocks) for stage in opened.anatomy.stages[:3])
    assert runs.tolist() == [0] * first + [1] * (len(chain) - first)
