"""Leave-one-out: what the dense model really loses without one head, or without a tenth of a block's hidden units.

The measured truth that scores try to predict: nothing else is removed, nothing is retrained. A piece goes by zeroing
what it owns, which answers exactly as the model without it.
Next door: `effort` lists the pieces, `measure.prefix` runs them from their block on, `agreement` sets scores against
them.
"""

from __future__ import annotations

from collections.abc import Generator, Hashable, Iterator

import numpy as np
import torch

from ..anatomy import BlockCut, hidden_cut, segments
from ..cut import block_keeps
from ..data import stratified_order
from ..measure import (
    Predictions,
    PrefixCache,
    PrefixRunner,
    concatenate,
    mean_difference,
    paired_difference,
    predict,
    states_before,
)
from ..pipeline import Opened, check_trained
from ..types import Block, Effect, LabelledImages, Piece
from .effort import IMAGES, TimeLeft, effort, piece_passes, pieces


def leave_one_out(opened: Opened, data: LabelledImages, limit: int = IMAGES) -> Iterator[Effect | None]:
    """Yield the effect of each piece, last block first, and None after every batch; close it to cancel.

    Judged by the first `limit` images of the stratified order. Raises DataError for a model with random weights or
    other classes.
    """
    check_trained(opened)
    cache, shares, clock = PrefixCache(), effort(opened.anatomy), TimeLeft(piece_passes(opened.anatomy))
    dense = yield from _judged(opened, data, limit, cache, None)
    labels = data.labels[stratified_order(data.labels)[: len(dense.classes)]]
    clock.after(1.0)
    for piece in pieces(opened.anatomy):
        found = yield from _judged(opened, data, limit, cache, piece)
        drop = paired_difference(found.classes == labels, dense.classes == labels)
        yield Effect(piece, drop, mean_difference(found.loss, dense.loss), clock.after(shares[piece.block]))


def _judged(
    opened: Opened, data: LabelledImages, limit: int, cache: PrefixCache, piece: Piece | None
) -> Generator[None, None, Predictions]:
    """Predictions without `piece`, from its block on."""
    weights: dict[str, torch.Tensor] = {}
    cut: dict[str, Hashable] = {}
    if piece is not None:
        block = opened.anatomy.blocks[piece.block]
        for name, keep in block_keeps(opened.model, block, without(block, piece)):
            dense = opened.model.get_parameter(name).detach()
            weights[name] = dense * torch.from_numpy(keep).to(dense.device)
        cut = {f"{block.name}:{piece.kind}": piece}
    chain, family = segments(opened.model, opened.info.family), opened.info.family
    run = PrefixRunner(opened.model, family, chain, weights, states_before(chain, cut), cache, "leave one out")
    parts = []
    for batch in predict(opened.model, opened.info, data, run, limit, opened.sizes):
        parts.append(batch)
        yield None
    return concatenate(parts)


def without(block: Block, piece: Piece) -> BlockCut:
    """What stays of `block` without `piece`."""
    hidden, heads = np.arange(block.part("mlp.fc1").shape[0]), np.arange(block.heads)
    if not block.heads:
        return hidden_cut(np.delete(hidden, np.arange(piece.first, piece.last)))
    gone = np.arange(piece.first, piece.last)
    if piece.kind == "head":
        heads = np.delete(heads, gone)
    else:
        hidden = np.delete(hidden, gone)
    dims = np.tile(np.arange(block.head_dim), (len(heads), 1))
    return BlockCut(hidden, heads, dims, dims)
