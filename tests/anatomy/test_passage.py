"""An image's passage: every block answers as in a forward pass that nobody watches, and no trace is left."""

import copy

import numpy as np
import pytest
import torch

from dimap_core.anatomy.passage import passage
from dimap_core.anatomy.segments import embed, head
from dimap_core.cut.masks import with_weights
from dimap_core.types.errors import DataError

IMAGE = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 3, 32, 32)).astype(np.float32))


def watched_by_others(model, anatomy):
    """What leaves each block of a copy in timm's own forward pass, and its logits."""
    model, found = copy.deepcopy(model), []
    for block in anatomy.blocks:
        model.get_submodule(block.name).register_forward_hook(lambda _, given, made: found.append(made))
    with torch.no_grad():
        logits = model.eval()(IMAGE)
    return found, logits


def run(opened, weights, token=(1, 2)):
    model, family = opened.model, opened.info.family
    with torch.no_grad():
        found = list(passage(model, opened.anatomy, weights, embed(model, family, IMAGE), token))
        return [passed.stream for passed in found], head(model, found[-1].stream), found


def state(model):
    """All that a run might leave behind."""
    return [
        (name, module.training, getattr(module, "fused_attn", None), len(module._forward_pre_hooks),
         len(module._forward_hooks), len(module._forward_pre_hooks_with_kwargs))
        for name, module in model.named_modules()
    ]  # fmt: skip


def test_every_block_answers_as_if_nobody_looked(tiny):
    streams, logits, found = run(tiny, {})
    known, wanted = watched_by_others(tiny.model, tiny.anatomy)
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(streams, known, strict=True))
    assert torch.equal(logits, wanted)
    for passed in found:
        assert np.allclose(passed.attention.sum(1), 1, atol=1e-5)


def test_weights_that_stand_in_are_those_that_are_run_and_looked_at(tiny):
    block = tiny.anatomy.blocks[1]
    name, proj = f"{block.name}.attn.qkv.weight", f"{block.name}.attn.proj.weight"
    weights = {
        name: tiny.model.get_parameter(name).detach() * 0.5,
        proj: torch.zeros_like(tiny.model.get_parameter(proj)),
    }
    streams, logits, found = run(tiny, weights)
    known, wanted = watched_by_others(with_weights(tiny.model, weights), tiny.anatomy)
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(streams, known, strict=True))
    assert torch.equal(logits, wanted)
    _, _, dense = run(tiny, {})
    assert not torch.allclose(found[1].attention, dense[1].attention)
    assert [all(passed.silent) for passed in found] == [place == 1 for place in range(len(found))]


def test_nothing_is_left_behind_even_by_one_who_leaves_early(tiny):
    model = copy.deepcopy(tiny.model).train()
    model.get_submodule(tiny.anatomy.blocks[0].name).mlp.eval()  # flags of all kinds
    before, weights = state(model), copy.deepcopy(model.state_dict())
    with torch.no_grad():
        for stop in (1, 2, 9):
            steps = passage(model, tiny.anatomy, {}, embed(model, tiny.info.family, IMAGE), (0, 0))
            for _ in zip(range(stop), steps, strict=False):
                assert state(model) == before  # between steps, too: others use the model then
            steps.close()
    assert state(model) == before
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("token", [(-2, 0), (-1, 1), (0, 99), (99, 0), (0, -1)])
def test_a_token_that_is_not_there_is_refused_in_a_sentence(tiny, token):
    with pytest.raises(DataError, match=r"no token .*; choose a row from 0 to \d+ and a column from 0 to \d+"):
        run(tiny, {}, token)
