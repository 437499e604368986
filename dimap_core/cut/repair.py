"""Repair: what is kept makes up for what was removed, in one shot, without labels and without training.

Block by block on the already pruned and repaired prefix, from a few training images (`apma.md` 10g; in the line of
ThiNet, SparseGPT and SlimGPT). In each block the dense block's answer to the same input is the aim, in this order:

- Q/K: the kept query channels are mixed until the logits come as near as they can to those of all channels (not in
  linear attention, where ReLU and norms stand between);
- proj, then fc2 after removed hidden units: least squares from the kept inputs to what the output misses. What the
  attention lost for good (V dimensions, heads, logits) is thus made up for in proj as far as that can be.

Results have the dense model's shapes with zeros where groups were removed: `masks` runs them, `slicing` cuts them.
Next door: `least_squares` does the maths, `walking` runs the model, `refitting` does as much for zeros.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.func import functional_call

from ..anatomy import BlockCut, Segment, block_cut, segments
from ..types import Anatomy, Block, ModelInfo, Scores, Selection
from .least_squares import LogitMoments, Moments
from .masks import masked_weights
from .walking import Steps, Weights, embedded, see, still, through, told

LARGEST_QK = 32  # kept Q/K dimensions a head: the solve for them has their square as its size
WINDOWS = 512  # attention windows (for DeiT: images) that the Q/K solve looks at


def repair(
    model: nn.Module,
    info: ModelInfo,
    anatomy: Anatomy,
    scores: Scores,
    selection: Selection,
    images: np.ndarray,
    batch: int = 32,
) -> Iterator[tuple[int, int, Weights]]:
    """Yield (blocks done, blocks, pruned parameters by name with those blocks repaired) after every batch of every
    block; the last is the result.

    `images`: uint8 [N, 3, H, W], unlabelled training images, run `batch` at a time. Of activations, what enters one
    block is kept for all images, everything else for one batch. Close the generator to cancel.
    """
    weights = masked_weights(model, anatomy, scores, selection)
    chain, inputs = segments(model, info.family), embedded(model, info, images, batch)
    for done, (segment, block) in enumerate(zip(chain, anatomy.blocks, strict=True), 1):
        cut, start = block_cut(block, scores, selection), f"{block.name}."
        own = {name.removeprefix(start): value for name, value in weights.items() if name.startswith(start)}
        so_far = (done - 1, len(chain), weights)
        own, inputs = yield from told(_block(model, segment, block, cut, own, inputs), so_far)
        weights = weights | {start + name: value.clone() for name, value in own.items()}
        yield done, len(chain), weights


def _block(
    model: nn.Module, segment: Segment, block: Block, cut: BlockCut, own: Weights, inputs: list[torch.Tensor]
) -> Steps[tuple[Weights, list[torch.Tensor]]]:
    """The block's parameters (names inside it), repaired if it lost any, and what leaves it."""
    merging, module = Segment(segment.parts[:-1]), segment.parts[-1][1]
    inputs = yield from through(model, lambda x: merging.run({}, x), inputs)
    if own:
        own = yield from _Repair(model, module, block, cut, inputs).run(own)
    inputs = yield from through(model, lambda x: functional_call(module, own, (x,)), inputs)
    return own, inputs


@dataclass(frozen=True)
class _Repair:
    """One block; `inputs` are what the pruned prefix hands it, batch by batch. Names are inside the block."""

    model: nn.Module
    module: nn.Module
    block: Block
    cut: BlockCut
    inputs: list[torch.Tensor]

    def run(self, masked: Weights) -> Steps[Weights]:
        """The block's masked parameters, repaired, with the biases that repair changes."""
        weights = dict(masked)
        if "attn.qkv.weight" in masked:
            if self._mixes():
                weights |= yield from self._mixed(weights)
            weights |= yield from self._proj(weights)
        if "mlp.fc2.weight" in masked:
            weights |= yield from self._fc2(weights)
        return weights

    def _mixes(self) -> bool:
        """Whether Q and K lost channels, few enough stay, and nothing stands between their layer and the logits."""
        kept = self.cut.qk.shape[1]
        plain = isinstance(getattr(self.module.get_submodule("attn"), "q_norm", None), nn.Identity | None)
        return kept < self.block.head_dim and kept <= LARGEST_QK and plain and self.block.mixer == "softmax"

    def _linear(self, name: str) -> nn.Linear:
        """The dense layer of that name."""
        layer = self.module.get_submodule(name)
        assert isinstance(layer, nn.Linear)  # `anatomy` let nothing else pass
        return layer

    def _mixed(self, weights: Weights) -> Steps[Weights]:
        """W_q <- M^T W_q, b_q <- M^T b_q + the last row of M, in the kept channels of each kept head."""
        has_bias = "attn.qkv.bias" in weights
        found, kept = LogitMoments(has_bias), torch.from_numpy(self.cut.qk)
        for number, x in enumerate(self.inputs):
            with still(self.model):
                _, out = see(self.module, {}, x, "attn.qkv")
                found.add(*self._queries_and_keys(out.flatten(0, -3), number), kept.to(x.device))
            yield
        with still(self.model):
            return self._folded(weights, found.mixing(), has_bias)

    def _folded(self, weights: Weights, mixing: torch.Tensor, has_bias: bool) -> Weights:
        """qkv's parameters with the mixing [kept heads, d (+ 1 with a bias), d] in the rows of kept queries."""
        size = self.cut.qk.shape[1]
        rows = torch.from_numpy(self.cut.heads[:, None] * self.block.head_dim + self.cut.qk)
        weight = weights["attn.qkv.weight"].clone()
        top = mixing[:, :size].mT
        weight[rows] = (top @ weight[rows].double()).to(weight.dtype)
        if not has_bias:
            return {"attn.qkv.weight": weight}
        bias = weights["attn.qkv.bias"].clone()
        bias[rows] = ((top @ bias[rows].double()[..., None])[..., 0] + mixing[:, size]).to(bias.dtype)
        return {"attn.qkv.weight": weight, "attn.qkv.bias": bias}

    def _queries_and_keys(self, packed: torch.Tensor, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        """qkv's output [windows, tokens, 3 * channels] -> q and k [heads, windows, tokens, dim] of the kept heads, of
        windows drawn so that all batches together give at most `WINDOWS`."""
        count = -(-WINDOWS // len(self.inputs))
        drawn = np.random.default_rng(number).permutation(len(packed))[:count]
        heads = torch.from_numpy(self.cut.heads).to(packed.device)
        shape = (3, self.block.heads, self.block.head_dim)
        parts = packed[torch.from_numpy(drawn)].unflatten(-1, shape).permute(2, 3, 0, 1, 4)
        return parts[0, heads], parts[1, heads]

    def _proj(self, weights: Weights) -> Steps[Weights]:
        """proj, so that the attention's output comes nearest to what the dense attention gives on the same input."""
        columns = torch.from_numpy((self.cut.heads[:, None] * self.block.head_dim + self.cut.v).ravel())
        moments = Moments(self._linear("attn.proj").bias is not None)
        for x in self.inputs:
            with still(self.model):
                _, aim = see(self.module, {}, x, "attn.proj")
                into, out = see(self.module, weights, x, "attn.proj")
                moments.add(into.flatten(0, -2)[:, columns], (aim - out).flatten(0, -2))
            yield
        with still(self.model):
            return self._updated("attn.proj", weights, columns, moments)

    def _fc2(self, weights: Weights) -> Steps[Weights]:
        """fc2, so that the kept hidden units stand in for the removed ones."""
        columns = torch.from_numpy(self.cut.hidden)
        fc2, fewer = self._linear("mlp.fc2"), weights["mlp.fc2.weight"]
        moments = Moments(fc2.bias is not None)
        attention = {name: value for name, value in weights.items() if name.startswith("attn.")}
        for x in self.inputs:
            with still(self.model):
                hidden, aim = see(self.module, attention, x, "mlp.fc2")
                out = nn.functional.linear(hidden, fewer, fc2.bias)
                moments.add(hidden.flatten(0, -2)[:, columns], (aim - out).flatten(0, -2))
            yield
        with still(self.model):
            return self._updated("mlp.fc2", weights, columns, moments)

    def _updated(self, name: str, weights: Weights, columns: torch.Tensor, moments: Moments) -> Weights:
        """The layer's masked weight with the update in its kept columns, and its bias."""
        change, shift = moments.update()
        layer = self._linear(name)
        weight = weights.get(f"{name}.weight", layer.weight).detach().clone()
        weight[:, columns] += change.to(weight.dtype)
        new = {f"{name}.weight": weight}
        if layer.bias is not None:
            new[f"{name}.bias"] = layer.bias.detach() + shift.to(weight.dtype)
        return new
