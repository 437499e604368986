"""What an error of a block's logits costs the answer: measured, one cut a block.

A part of the block's Q/K dimensions, those that go first (`elimination.eliminate_logits`), is taken out of the dense
model alone, the others are rescaled as the least squares of its logits say, and the divergence KL(dense || cut) of the
answers is divided by the error that the curve foretells for that cut. No labels.
Next door: `outputs` runs this after its own pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from ...anatomy import Segment, embed, evaluating, head, segments
from ...data import normalised, restricted
from ...types import Anatomy, Block, ModelInfo
from ..arrays import damped, inverse
from .elimination import Elimination, eliminate_logits

MEASURED = 120
"""Images that are measured on, at most."""

_CUTS = 12 * MEASURED  # images x blocks, at most: every block's cut runs through all that follows it

SHARE = 0.5
"""Of a head's dimensions that go."""


class Measuring:
    """Running sums of divergences; `logits`: moments by block name (`anatomy.Watch.logits`)."""

    def __init__(
        self, model: nn.Module, info: ModelInfo, anatomy: Anatomy, logits: Mapping[str, np.ndarray],
        outputs: np.ndarray | None,
    ) -> None:  # fmt: skip
        self.model, self.info, self.outputs = model, info, outputs
        self.chain = segments(model, info.family)
        self.blocks = {place: block for place, block in enumerate(anatomy.blocks) if block.name in logits}
        self.curves = {place: curve_of(logits[block.name]) for place, block in self.blocks.items()}
        self.factors = {place: factors(self.curves[place], logits[block.name]) for place, block in self.blocks.items()}
        self.images, self.sums = 0, dict.fromkeys(self.blocks, 0.0)

    def run(self, images: np.ndarray) -> None:
        """Judge the dense model and each block's cut on some images."""
        self.images += len(images)
        first = next(self.model.parameters())
        with torch.inference_mode(), evaluating(self.model):
            x = embed(self.model, self.info.family, normalised(self.info, images).to(first))
            dense = self._answers(self.chain, x)
            for place, segment in enumerate(self.chain):
                if place in self.blocks:
                    with self._cut(place):
                        cut = self._answers(self.chain[place:], x)
                    self.sums[place] += float((dense.exp() * (dense - cut)).sum())
                x = segment.run({}, x)

    def _answers(self, chain: list[Segment], x: torch.Tensor) -> torch.Tensor:
        """Log-probabilities [images, classes], float64."""
        for segment in chain:
            x = segment.run({}, x)
        return restricted(head(self.model, x), self.outputs).double().log_softmax(-1)

    @contextmanager
    def _cut(self, place: int) -> Iterator[None]:
        """The block's queries times their factors; of linear attention what they bring of the values."""
        block = self.blocks[place]

        def onto_q(_: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> torch.Tensor:
            factor = torch.from_numpy(self.factors[place].ravel()).to(output)
            q, rest = output.tensor_split([len(factor)], dim=-1)
            return torch.cat([q * factor, rest], dim=-1)

        part = "attn.queries" if block.mixer == "linear" else "attn.qkv"
        hook = self.model.get_submodule(f"{block.name}.{part}").register_forward_hook(onto_q)
        try:
            yield
        finally:
            hook.remove()

    def scales(self) -> dict[str, float]:
        """By block name: nats per unit of its Q/K curve; 0 where the curve is flat."""
        found = {}
        for place, block in self.blocks.items():
            error = self.curves[place].errors[removed(block)]
            found[block.name] = max(self.sums[place], 0.0) / self.images / error if error > 1e-20 else 0.0
        return found


def measured_images(anatomy: Anatomy) -> int:
    """How many images are measured on; fewer of deep models, where they would take longer than all the rest."""
    return min(MEASURED, _CUTS // max(len(anatomy.blocks), 1))


def curve_of(products: np.ndarray) -> Elimination:
    """Order and error of a block's Q/K dimensions, from E[f f^T] [heads, head_dim, head_dim]."""
    return eliminate_logits([inverse(damped(of_head)) for of_head in products])


def removed(block: Block) -> int:
    """How many Q/K dimensions of each head go to measure."""
    return round(SHARE * block.head_dim)


def factors(curve: Elimination, products: np.ndarray) -> np.ndarray:
    """[heads, head_dim]: 0 for the dimensions that go; for the others what makes their sum come nearest to the sum of
    all, 1 + (G_SS + l I)^-1 G_SP 1."""
    found = np.zeros(curve.order.shape)
    gone = round(SHARE * curve.order.shape[1])
    for head_factors, order, square in zip(found, curve.order, products, strict=True):
        kept, lost = order[gone:], order[:gone]
        full = damped(square)
        head_factors[kept] = 1 + np.linalg.solve(full[np.ix_(kept, kept)], full[np.ix_(kept, lost)].sum(axis=1))
    return found
