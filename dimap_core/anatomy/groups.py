"""Groups: what must be removed together so that a model gets really smaller, for any timm Swin or DeiT.

An MLP hidden unit is a row of fc1 with its bias and a column of fc2. A head is its rows of q, k and v, its columns of
proj and, in Swin, its column of the relative-position bias table. A Q/K dimension is a row each of q and k, a V
dimension a row of v and a column of proj; the same number of dimensions goes from every head of a block, but each head
picks its own. Dimensions count per head, heads go first: a dimension's unit is one slot in all heads.
In linear attention (`cut.linear_attention`) a Q/K dimension also owns its column of the positional term and its scale,
which is no strength, so that sums over a group leave it out.
The depthwise kernels that all heads share are nobody's; once any V dimension goes every head has copies of its own.
Next door: `criteria` score groups, `plan.selection` says how many of each set go, `cut` does it, `measure.cost` prices
it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from ..types import Anatomy, Block, GroupSet, Layer, LayerScores, Scores, Selection, UnsupportedModel
from .mixers import kept_kernels

ATTENTION_KINDS = ("head", "qk_dim", "v_dim")
_TIED = {
    ".attn.cpb_mlp.0": "SwinV2's cosine attention",
    ".attn.q_norm": "norms of queries and keys",
    ".attn.norm": "a norm inside the attention",
    ".mlp.norm": "a norm inside the MLP",
}
"""What sees, or stands in for, what a structured cut takes; by the end of a layer's name."""


def group_sets(anatomy: Anatomy) -> tuple[GroupSet, ...]:
    """Every set of groups, blocks in forward order: hidden units, heads, Q/K dimensions, V dimensions.

    Raises UnsupportedModel for a model that was sliced to different Q/K and V widths already, and for one where
    something else looks at what would go.
    """
    if any(layer.name.endswith(".attn.q") for layer in anatomy.prunable):
        raise _sliced_already()
    for layer in anatomy.layers:
        if found := next((words for part, words in _TIED.items() if layer.name.endswith(part)), None):
            raise _tied(f"{found} ('{layer.name}')")
    for block in anatomy.blocks:
        if block.part("mlp.fc1").shape[0] != block.part("mlp.fc2").shape[1]:
            raise _tied(f"a gated MLP ('{block.name}.mlp')")
    return tuple(group for block in anatomy.blocks for group in _sets(block))


def has_groups(anatomy: Anatomy) -> bool:
    """Whether a model's structures can be cut out."""
    try:
        return bool(group_sets(anatomy))
    except UnsupportedModel:
        return False


def _tied(what: str) -> UnsupportedModel:
    return UnsupportedModel(
        f"This model has {what}, so whole structures cannot be cut out with the same outputs; prune single weights."
    )


def _sliced_already() -> UnsupportedModel:
    return UnsupportedModel(
        "This model's Q/K and V widths differ, so it was sliced already; cut the model it was made from instead."
    )


def _hidden_set(block: Block) -> GroupSet:
    fc1, fc2 = block.part("mlp.fc1"), block.part("mlp.fc2")
    params, macs = fc1.params + fc2.size, fc1.macs + fc2.macs
    name, layers = f"{block.name}:mlp_neuron", (fc1.name, fc2.name)
    return GroupSet(name, "mlp_neuron", block.stage, block.index, fc1.shape[0], params, macs, layers)


def _sets(block: Block) -> Iterator[GroupSet]:
    yield _hidden_set(block)
    if not block.heads:  # convolutions in attention's place
        return
    qkv, proj = block.part("attn.qkv"), block.part("attn.proj")
    head, of_qk, of_v = _between(block)
    # Of one channel of all heads together: a row of q, k or v; a column of proj.
    row, column = (qkv.params // 3, qkv.macs // 3), (proj.size, proj.macs)
    costs = {
        "head": (block.heads, qkv.params + proj.size + head[0], qkv.macs + proj.macs + head[1]),
        "qk_dim": (block.head_dim, 2 * row[0] + of_qk[0], 2 * row[1] + of_qk[1]),
        "v_dim": (block.head_dim, row[0] + column[0] + of_v[0], row[1] + column[1] + of_v[1]),
    }
    for kind, (size, params, macs) in costs.items():
        yield GroupSet(
            f"{block.name}:{kind}", kind, block.stage, block.index, size, params, macs, (qkv.name, proj.name)
        )


def _between(block: Block) -> tuple[tuple[int, int], ...]:
    """(params, MACs) between qkv and proj that all heads, all Q/K and all V dimensions take part in."""
    product = block.part("attn")
    if block.mixer == "softmax":
        half = (0, product.macs // 2)
        return (product.params, product.macs), half, half
    local = block.part("attn.dwc")
    own = local.params if local.shape[0] == block.heads * block.head_dim else 0
    v = own, product.macs + local.macs
    return (product.params + v[0], v[1]), (product.params, product.macs), v


def group_sums(block: Block, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Sum over each group of arrays shaped like the block's parameters: mlp_neuron [hidden], head [heads], qk_dim and
    v_dim [heads, head_dim].

    `arrays`: by parameter name inside the block ("attn.qkv.weight"); biases and the bias table may be missing. A block
    without attention has hidden units only.
    """
    neuron = arrays["mlp.fc1.weight"].sum(axis=1) + arrays["mlp.fc2.weight"].sum(axis=0)
    if (bias := arrays.get("mlp.fc1.bias")) is not None:
        neuron = neuron + bias
    if not block.heads:
        return {"mlp_neuron": neuron}
    if "attn.qkv.weight" not in arrays:
        raise _sliced_already()
    heads, dim = block.heads, block.head_dim
    q, k, v = _row_sums(arrays, "attn.qkv").reshape(3, heads, dim)
    if (positional := arrays.get("attn.positional")) is not None:
        k = k + positional.sum(axis=0).reshape(heads, dim)
    v = v + arrays["attn.proj.weight"].sum(axis=0).reshape(heads, dim)
    head = (q + k + v).sum(axis=1)
    if (table := arrays.get("attn.relative_position_bias_table")) is not None:
        head = head + table.sum(axis=0)
    return {"mlp_neuron": neuron, "head": head, "qk_dim": q + k, "v_dim": v}


def _row_sums(arrays: Mapping[str, np.ndarray], layer: str) -> np.ndarray:
    """Sum over each row of a layer, with its bias."""
    rows, bias = arrays[f"{layer}.weight"].sum(axis=1), arrays.get(f"{layer}.bias")
    return rows if bias is None else rows + bias


def nvit_sums(block: Block, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """`group_sums` over NViT's units (arXiv 2110.04869, as coded): mlp_neuron [hidden] reads rows of fc1, head [heads]
    rows of q, k and v, qk_dim [head_dim] rows of q and v_dim [head_dim] rows of v at that index of every head; biases
    count with their rows."""
    neuron = _row_sums(arrays, "mlp.fc1")
    if not block.heads:
        return {"mlp_neuron": neuron}
    qkv = _row_sums(arrays, "attn.qkv").reshape(3, block.heads, block.head_dim)
    q, _, v = qkv.sum(axis=1)
    return {"mlp_neuron": neuron, "head": qkv.sum(axis=(0, 2)), "qk_dim": q, "v_dim": v}


@dataclass(frozen=True)
class BlockCut:
    """What stays of one block, as ascending indices: `hidden` [m], `heads` [h], `qk` [h, d_qk] and `v` [h, d_v] the
    dimensions inside each kept head."""

    hidden: np.ndarray
    heads: np.ndarray
    qk: np.ndarray
    v: np.ndarray


def block_cut(block: Block, scores: Scores, selection: Selection) -> BlockCut:
    """What a structured selection leaves of `block`."""

    def kept(kind: str) -> np.ndarray:
        name = f"{block.name}:{kind}"
        return kept_units(scores.layers[name], selection.removed.get(name, 0))

    if not block.heads:
        return hidden_cut(np.flatnonzero(kept("mlp_neuron")))
    heads = np.flatnonzero(kept("head"))
    dims = (np.nonzero(kept(kind)[heads])[1].reshape(len(heads), -1) for kind in ("qk_dim", "v_dim"))
    return BlockCut(np.flatnonzero(kept("mlp_neuron")), heads, *dims)


def hidden_cut(hidden: np.ndarray) -> BlockCut:
    """What stays of a block without attention: hidden units, ascending."""
    none = np.zeros((0, 0), dtype=np.int64)
    return BlockCut(hidden, np.zeros(0, dtype=np.int64), none, none)


def kept_units(layer: LayerScores, removed: int) -> np.ndarray:
    """Boolean array like the set's keys, True = kept: the `removed` lowest go, of [heads, head_dim] keys those of each
    head; ties by lowest index."""
    order = np.argsort(np.abs(layer.keys), axis=-1, kind="stable")
    keep = np.ones(layer.keys.shape, dtype=bool)
    np.put_along_axis(keep, order[..., :removed], False, axis=-1)
    return keep


def kept_counts(block: Block, selection: Selection) -> tuple[int, int, int, int]:
    """(hidden units, heads, Q/K dimensions a head, V dimensions a head) that stay."""
    gone = (selection.removed.get(f"{block.name}:{kind}", 0) for kind in ("mlp_neuron", *ATTENTION_KINDS))
    sizes = (block.part("mlp.fc1").shape[0], block.heads, block.head_dim, block.head_dim)
    hidden, heads, qk, v = (size - units for size, units in zip(sizes, gone, strict=True))
    return hidden, heads, qk, v


def parameter_masks(block: Block, cut: BlockCut) -> dict[str, np.ndarray]:
    """Parameter name inside the block -> boolean mask that broadcasts over it, True = kept.

    A head whose V rows and proj columns are gone adds nothing, so the bias table needs no mask, nor do depthwise
    kernels; the positional term of linear attention would still count in the norms.
    """
    hidden = np.zeros(block.part("mlp.fc1").shape[0], dtype=bool)
    hidden[cut.hidden] = True
    masks = {"mlp.fc1.weight": hidden[:, None], "mlp.fc1.bias": hidden, "mlp.fc2.weight": hidden[None, :]}
    if not block.heads:
        return masks
    rows = np.zeros((3, block.heads, block.head_dim), dtype=bool)
    for third, dims in ((0, cut.qk), (1, cut.qk), (2, cut.v)):
        rows[third, cut.heads[:, None], dims] = True
    positional = {"attn.positional": rows[1].reshape(1, -1)} if block.mixer == "linear" else {}
    return {
        **positional,
        "attn.qkv.weight": rows.reshape(-1, 1),
        "attn.qkv.bias": rows.reshape(-1),
        "attn.proj.weight": rows[2].reshape(1, -1),
        **masks,
    }


def after_cut(block: Block, counts: tuple[int, int, int, int]) -> Iterator[tuple[Layer, int, int, int]]:
    """(layer, params, MACs, weights) after the cut of each layer that a structured cut shrinks; see `kept_counts`."""
    hidden, heads, qk, v = counts
    channels = block.heads * block.head_dim
    total = block.part("mlp.fc1").shape[0]
    rows = heads * (2 * qk + v)
    shares = [("mlp.fc1", (hidden, total), True), ("mlp.fc2", (hidden, total), False)]
    if block.heads:
        shares += [("attn.qkv", (rows, 3 * channels), True), ("attn.proj", (heads * v, channels), False)]
    for name, share, bias_goes in shares:
        layer = block.part(name)
        kept, of = share
        weights, bias = layer.size * kept // of, layer.params - layer.size
        yield layer, weights + (bias * kept // of if bias_goes else bias), layer.macs * kept // of, weights
    if not block.heads:
        return
    product = block.part("attn")
    if block.mixer == "softmax":
        macs = product.macs * heads * (qk + v) // (2 * channels)
        yield product, product.params * heads // block.heads, macs, 0
        return
    macs = product.macs * heads * qk * v // (channels * block.head_dim)
    yield product, product.params * heads * qk // channels, macs, 0
    local = block.part("attn.dwc")
    kernels = kept_kernels(local.shape[0], block.head_dim, heads, v)
    yield local, local.params // local.shape[0] * kernels, local.macs * heads * v // channels, 0
