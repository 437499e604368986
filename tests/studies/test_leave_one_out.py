"""Leave-one-out against the model in float64 with the piece's outputs silenced, judged from scratch."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from dimap_core.data.batches import stratified_order
from dimap_core.data.registry import load_data
from dimap_core.measure.intervals import mean_difference, paired_difference
from dimap_core.studies.effort import TENTHS, piece_passes, pieces
from dimap_core.studies.leave_one_out import leave_one_out
from dimap_core.types.errors import DataError
from dimap_core.types.findings import Piece
from tests.helpers import SINGLE

N = 50


@pytest.fixture(scope="module")
def digits():
    return load_data("digits")


def judged(opened, data, piece=None):
    """(hits, cross-entropy) of the first N images, float64, from activations: what the piece hands on is set to 0."""
    model = copy.deepcopy(opened.model).double()
    if piece is not None:
        block = model.get_submodule(opened.anatomy.blocks[piece.block].name)
        layer = block.attn.proj if piece.kind == "head" else block.mlp.fc2
        width = opened.anatomy.blocks[piece.block].head_dim if piece.kind == "head" else 1
        gone = slice(piece.first * width, piece.last * width)

        def silence(_, inputs):
            x = inputs[0].clone()
            x[..., gone] = 0
            return (x,)

        layer.register_forward_pre_hook(silence)
    order = stratified_order(data.labels)[:N]
    images = (torch.from_numpy(data.images[order]).double() / 255 - 0.5) / 0.5
    with torch.inference_mode():
        logits = model(images)
    labels = torch.from_numpy(data.labels[order])
    loss = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
    return (logits.argmax(-1) == labels).numpy(), loss.numpy()


def test_every_piece_costs_what_the_model_without_it_loses(tiny, digits):
    hits, loss = judged(tiny, digits)
    found = [effect for effect in leave_one_out(tiny, digits, N) if effect is not None]
    assert [effect.piece for effect in found] == list(pieces(tiny.anatomy))
    for effect in found:
        others, losses = judged(tiny, digits, effect.piece)
        known, drop = mean_difference(losses, loss), paired_difference(others, hits)
        assert (effect.rise.n, effect.drop.n) == (N, N)
        rise = [getattr(effect.rise, name) - getattr(known, name) for name in ("value", "low", "high")]
        assert np.abs(rise).max() < 2 * SINGLE * losses.max()
        assert effect.drop.value == pytest.approx(drop.value, abs=1.01 / N)  # float32 may turn a tie
    assert sum(abs(effect.rise.value) > 1e-3 for effect in found) > len(found) / 2


def test_pieces_cover_every_head_and_hidden_unit_once_last_block_first(tiny):
    found = list(pieces(tiny.anatomy))
    assert [piece.block for piece in found] == sorted((piece.block for piece in found), reverse=True)
    for place, block in enumerate(tiny.anatomy.blocks):
        for kind, size in (("head", block.heads), ("mlp_neuron", block.part("mlp.fc1").shape[0])):
            own = [piece for piece in found if (piece.block, piece.kind) == (place, kind)]
            assert [unit for piece in own for unit in range(piece.first, piece.last)] == list(range(size))
            assert len(own) == (size if kind == "head" else TENTHS)
            assert max(p.last - p.first for p in own) - min(p.last - p.first for p in own) <= 1
    assert 1 < piece_passes(tiny.anatomy) < 1 + len(found)


def test_it_can_be_stopped_at_any_batch_and_leaves_no_trace(tiny_swin, digits):
    before = copy.deepcopy(tiny_swin.model.state_dict())
    steps = leave_one_out(tiny_swin, replace(digits, images=digits.images[:90], labels=digits.labels[:90]), 90)
    events = [next(steps) for _ in range(8)]
    steps.close()
    assert events[:3] == [None] * 3  # the dense model's two batches, the first of the first piece
    assert [event.piece for event in events if event] == [Piece(2, "head", 0, 1), Piece(2, "head", 1, 2)]
    lefts = [event.left for event in events if event]
    assert all(left > 0 for left in lefts)
    assert all(torch.equal(value, before[name]) for name, value in tiny_swin.model.state_dict().items())


def test_random_weights_have_no_truth(tiny_swin, digits):
    random = replace(tiny_swin, info=replace(tiny_swin.info, weights="random"))
    with pytest.raises(DataError, match="random weights"):
        next(leave_one_out(random, digits))
