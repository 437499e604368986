"""Attention maps and windows, against their definition written out and against what timm computes itself."""

import copy
import itertools
import math

import numpy as np
import pytest
import timm
import torch
from timm.models.swin_transformer import SwinTransformerBlock, window_partition

from dimap_core.anatomy.attending import Windows, attention_weights, silent_heads, windows
from dimap_core.anatomy.build import build_anatomy
from dimap_core.anatomy.passage import passage
from dimap_core.anatomy.segments import embed
from dimap_core.cut.linear_attention import linearise
from dimap_core.pipeline.chain import prune
from dimap_core.types.plan import PruningPlan
from tests.helpers import double, same

MAPS = [
    *((size, window, shift) for size in ((8, 8), (8, 12), (7, 7), (9, 6), (5, 11)) for window, shift in (
        ((4, 4), (0, 0)), ((4, 4), (2, 2)), ((3, 5), (1, 2)), ((4, 4), (2, 0)), ((4, 3), (0, 1))
    )),
    ((4, 4), (4, 4), (0, 0)),
]  # fmt: skip


def pixels(side=32, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(1, 3, side, side)))


def lively(model):
    """The model with biases, all sorts of which are zero at first; changed in place."""
    noise = torch.Generator().manual_seed(1)
    for name, parameter in model.named_parameters():
        if "bias" in name:
            parameter.data.normal_(generator=noise)
    return model


def timms_own(model, images):
    """By attention's name what its dropout gets: the softmax, where kernels are not fused."""
    model, found = copy.deepcopy(model), {}
    for name, module in model.named_modules():
        if hasattr(module, "fused_attn"):
            module.fused_attn = False
        if hasattr(module, "attn_drop"):
            module.attn_drop = torch.nn.Dropout(0.0)  # sliced ones share theirs
            module.attn_drop.register_forward_pre_hook(
                lambda _, given, name=name: found.update({name: given[0].flatten(0, -4)})
            )
    with torch.no_grad():
        model.eval()(images)
    return found


def followed(model, family, images, token, weights=None):
    anatomy = build_anatomy(model, family)
    with torch.no_grad():
        return anatomy, list(passage(model, anatomy, weights or {}, embed(model, family, images), token))


@pytest.mark.parametrize("token", [(0, 0), (15, 15), (9, 3)])
def test_swins_attention_is_its_definition_written_out(make_tiny, token):
    model = make_tiny("swin").double()
    lively(model)
    anatomy, found = followed(model, "swin", pixels(), token)
    entering, shifts = embed(model, "swin", pixels()), []
    for block, passed in zip(anatomy.blocks, found, strict=True):
        stage, module = model.layers[block.stage], model.get_submodule(block.name)
        x = stage.downsample(entering) if block.index == 0 else entering
        row, column = (at // 2**block.stage for at in token)
        wanted = by_definition(module, x[0].detach(), row, column)
        at = [cell for cell in range(math.prod(passed.windows.grid)) if cell in passed.cells]
        together = passed.attention[:, [passed.cells.index(cell) for cell in at]]
        assert same(together, wanted[:, at]) and same(wanted[:, at].sum(1), np.ones(block.heads))
        assert passed.cells[passed.token] == row * passed.windows.grid[1] + column
        shifts.append(module.shift_size[0])
        entering = passed.stream
    assert shifts == [0, 0, 2]


def by_definition(block, x, row, column):
    """softmax of q k / sqrt(d) + bias of relative places, over the tokens of the same shifted window, float64 [heads,
    tokens of the map]: (r - shift) // window, rounded down, is the same for all that meet."""
    rows, columns, _ = x.shape
    attention, side, shift = block.attn, block.window_size[0], block.shift_size[0]
    heads, normed = attention.num_heads, block.norm1(x).detach().numpy().reshape(rows * columns, -1)
    weight, bias = (part.detach().numpy() for part in (attention.qkv.weight, attention.qkv.bias))
    q, k, _ = (normed @ weight.T + bias).reshape(rows * columns, 3, heads, -1).transpose(1, 0, 2, 3)
    table = attention.relative_position_bias_table.detach().numpy()
    logits = np.full((heads, rows * columns), -np.inf)
    for r, c in itertools.product(range(rows), range(columns)):
        if all((a - shift) // side == (b - shift) // side for a, b in ((r, row), (c, column))):
            offset = (row - r + side - 1) * (2 * side - 1) + (column - c + side - 1)
            for head in range(heads):
                product = float(q[row * columns + column, head] @ k[r * columns + c, head])
                logits[head, r * columns + c] = product / math.sqrt(q.shape[-1]) + table[offset, head]
    shares = np.exp(logits - logits.max(1, keepdims=True))
    return shares / shares.sum(1, keepdims=True)


@pytest.mark.parametrize("distilled", [False, True])
def test_deits_attention_is_its_definition_written_out(make_tiny, distilled):
    model = make_tiny("deit").double()
    if distilled:
        model = timm.create_model(
            "deit_tiny_distilled_patch16_224", img_size=32, patch_size=8, embed_dim=16, depth=2, num_heads=4
        ).double().eval()  # fmt: skip
    lively(model)
    tokens = [(-1, 0), (2, 3)] + ([(-1, 1)] if distilled else [])
    for token in tokens:
        _, found = followed(model, "deit", pixels(), token)
        x = embed(model, "deit", pixels())
        for block, passed in zip(model.blocks, found, strict=True):
            normed = block.norm1(x)[0].detach().numpy()
            weight, bias = (part.detach().numpy() for part in (block.attn.qkv.weight, block.attn.qkv.bias))
            q, k, _ = (normed @ weight.T + bias).reshape(len(normed), 3, 4, -1).transpose(1, 2, 0, 3)
            place = token[1] if token[0] < 0 else 1 + distilled + token[0] * 4 + token[1]
            shares = np.exp(np.einsum("hd,hnd->hn", q[:, place], k) / 2)
            assert same(passed.attention, shares / shares.sum(1, keepdims=True)) and passed.token == place
            assert passed.cells == [-1] * (1 + distilled) + list(range(16))
            x = passed.stream


CUTS = {
    "swin": ("swin", {}, None),
    "swin, padded": ("swin", {"window_size": 5, "always_partition": True}, None),
    "deit": ("deit", {}, None),
    "deit, normed": ("deit", {"qk_norm": True}, None),
    "swin, sliced": ("swin", {}, (("qk_dim", 0.5), ("head", 0.5))),
    "deit, sliced": ("deit", {}, (("v_dim", 0.5),)),
}


@pytest.mark.parametrize("name", [*CUTS, "swin v2"])
def test_maps_are_those_that_timm_computes_where_it_shows_them(name, make_tiny, opened):
    if name == "swin v2":
        family, model = "swin", timm.create_model(
            "swinv2_tiny_window8_256", img_size=32, patch_size=2, window_size=4, embed_dim=8, depths=(1, 2),
            num_heads=(2, 4),
        ).eval()  # fmt: skip
    else:
        family, settings, kinds = CUTS[name]
        model = make_tiny(family, **settings)
        if kinds:
            plan = PruningPlan(granularity="structure", overrides=tuple(((None, kind), r) for kind, r in kinds))
            model = prune(opened(model, family), plan)[0]
    model = lively(model.double())
    known = timms_own(model, pixels())
    for token in ((0, 0), (3, 2)) if family == "deit" else ((0, 0), (13, 6)):
        anatomy, found = followed(model, family, pixels(), token)
        for block, passed in zip(anatomy.blocks, found, strict=True):
            at = tuple(int(a) // (2**block.stage if family == "swin" else 1) for a in token)
            number, place = passed.windows.place(at)
            assert same(passed.attention, known[f"{block.name}.attn"][number, :, place])
            assert same(passed.attention.sum(1), torch.ones(block.heads, dtype=torch.float64))


def test_what_mixes_tokens_without_softmax_has_no_map(make_tiny):
    model = linearise(make_tiny("swin").double(), 1)
    _, found = followed(model, "swin", pixels(), (3, 3))
    assert [passed.attention is None for passed in found] == [True, False, False]


@pytest.mark.parametrize(("size", "window", "shift"), MAPS)
def test_windows_hold_the_tokens_that_timm_puts_there_and_its_mask_parts_the_bands(size, window, shift):
    block = SwinTransformerBlock(4, size, 1, None, window, shift, always_partition=True)
    where = windows(None, block)
    assert where == Windows(size, window, shift)
    numbered = torch.arange(1, math.prod(size) + 1).reshape(1, *size, 1).roll((-shift[0], -shift[1]), (1, 2))
    fill = [-length % of for length, of in zip(size, window, strict=True)]
    padded = torch.nn.functional.pad(numbered, (0, 0, 0, fill[1], 0, fill[0]))
    known = window_partition(padded, window).flatten(1) - 1
    assert [where.cells(number) for number in range(len(known))] == known.tolist()
    rows, columns = where.bands
    for token in itertools.product(*map(range, size)):
        number, place = where.place(token)
        assert known[number, place] == token[0] * size[1] + token[1]
        allowed = torch.ones(len(known[0])) if block.attn_mask is None else block.attn_mask[number, place] == 0
        meets = {cell for cell, free in zip(known[number].tolist(), allowed, strict=True) if free and cell >= 0}
        alike = {
            r * size[1] + c for r, c in itertools.product(*map(range, size))
            if (rows[r], columns[c]) == (rows[token[0]], columns[token[1]])
        }  # fmt: skip
        assert meets == alike


def test_a_head_is_silent_where_nothing_of_it_leaves(tiny, opened):
    plan = PruningPlan(granularity="structure", overrides=(((None, "head"), 0.5),))
    exact = double(tiny)
    model = copy.deepcopy(exact.model)
    block = exact.anatomy.blocks[-1]
    attention = model.get_submodule(block.name).attn
    lively(model)
    assert silent_heads(attention) == [False] * 4
    width = block.head_dim
    attention.proj.weight.data[:, width : 2 * width] = 0
    attention.qkv.weight.data[-width:] = 0
    assert silent_heads(attention) == [False, True, False, False]  # the last one's bias still speaks
    attention.qkv.bias.data[-width:] = 0
    assert silent_heads(attention) == [False, True, False, True]
    assert not any(silent_heads(prune(exact, plan)[0].get_submodule(block.name).attn))  # what is sliced away is gone


def test_a_batch_of_windows_gets_its_masks(make_tiny):
    model = make_tiny("swin").double()
    block = model.layers[1].blocks[1]
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(8, 16, 16)))
    one = attention_weights(block.attn, x[4:6], block.attn_mask[:2])
    assert same(attention_weights(block.attn, x, block.attn_mask)[4:6], one)
