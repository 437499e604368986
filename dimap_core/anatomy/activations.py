"""What prunable layers see while a model runs: moments of their inputs, and the energy that Q/K dimensions give the
logits. Hooks stand only while `Watch.on` is open.

Next door: `criteria.statistics` runs the model under a watch; `criteria` that look at activations read the result.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from ..types import Anatomy, Block
from .mixers import GUARD


@dataclass(frozen=True)
class LayerInputs:
    """A layer's inputs x over all tokens it saw: `mean` [in] in float64, `products` E[x x^T] [in, in] in float32."""

    mean: np.ndarray
    products: np.ndarray

    @property
    def energy(self) -> np.ndarray:
        """E[x_j^2], float64 [in]."""
        return self.products.diagonal().astype(np.float64)

    def covariance(self) -> np.ndarray:
        """E[(x - mean) (x - mean)^T], float64 [in, in]."""
        return self.products - np.outer(self.mean, self.mean)


class Watch:
    """Sums over everything that passes while `on` is open.

    Memory: float32 in^2 a layer, which for Swin-B's 96 prunable layers makes 0.5 GB; the logits' is far less.
    """

    def __init__(self, anatomy: Anatomy) -> None:
        self.anatomy = anatomy
        self._inputs: dict[str, tuple[int, torch.Tensor, torch.Tensor]] = {}
        self._logits: dict[str, tuple[int, torch.Tensor]] = {}

    @contextmanager
    def on(self, model: nn.Module) -> Iterator[None]:
        """Count what passes through `model`; its hooks are gone afterwards, whatever happens."""
        with ExitStack() as hooks:
            for layer in self.anatomy.prunable:
                module = model.get_submodule(layer.name)
                hooks.callback(module.register_forward_pre_hook(self._see_inputs(layer.name)).remove)
            for block in self.anatomy.blocks:
                attention: Any = model.get_submodule(f"{block.name}.attn")
                # Packed: a sliced block has q, k and v apart. SwinV2's cosine attention has no scale.
                if hasattr(attention, "qkv") and (block.mixer == "linear" or hasattr(attention, "scale")):
                    see = self._see_similarities if block.mixer == "linear" else self._see_logits
                    hooks.callback(attention.qkv.register_forward_hook(see(block, attention)).remove)
            yield

    def inputs(self) -> dict[str, LayerInputs]:
        """Moments by layer name."""
        return {
            name: LayerInputs((sums / count).cpu().numpy(), (products / count).cpu().numpy())
            for name, (count, sums, products) in self._inputs.items()
        }

    def logits(self) -> dict[str, np.ndarray]:
        """By block name, float64 [heads, head_dim, head_dim]: E[f_i f_j] over all pairs (n, m) of tokens that meet,
        with f_i = scale q_ni k_mi what dimension i adds to the logit. Keys are centred over their window: softmax does
        not see what is added to a whole row. Of linear attention, which has no logits, f_i is what dimension i adds to
        the weight of m for n, phi(q)_ni phi(k)_mi over their mean over m, with all norms and that mean as they are."""
        return {name: (sums / count).cpu().numpy() for name, (count, sums) in self._logits.items()}

    def _see_inputs(self, name: str) -> Any:
        def see(_: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            x = inputs[0].detach().flatten(0, -2)
            if name not in self._inputs:
                width = x.shape[1]
                zeros = (x.new_zeros(width, dtype=torch.float64), x.new_zeros((width, width)))
                self._inputs[name] = (0, *zeros)
            count, sums, products = self._inputs[name]
            self._inputs[name] = (count + len(x), sums.add_(x.sum(0)), products.addmm_(x.T, x))

        return see

    def _see_logits(self, block: Block, attention: Any) -> Any:
        def see(_: nn.Module, inputs: tuple[torch.Tensor, ...], packed: torch.Tensor) -> None:
            # [windows, tokens, 3 * channels] -> q, k [windows, heads, tokens, head_dim]
            parts = packed.detach().unflatten(-1, (3, block.heads, block.head_dim)).permute(2, 0, 3, 1, 4)
            self._add_products(block, parts[0] * attention.scale, parts[1] - parts[1].mean(dim=2, keepdim=True))

        return see

    def _see_similarities(self, block: Block, attention: Any) -> Any:
        def see(_: nn.Module, inputs: tuple[torch.Tensor, ...], packed: torch.Tensor) -> None:
            with torch.no_grad():
                q, k = (attention.heads(part) for part in attention.focused(*packed.detach().chunk(3, -1)[:2]))
                self._add_products(block, q / (q @ k.mean(dim=2, keepdim=True).mT + GUARD), k)

        return see

    def _add_products(self, block: Block, q: torch.Tensor, k: torch.Tensor) -> None:
        """Count q and k [windows, heads, tokens, head_dim]."""
        # Sum over n, m of (q_ni k_mi) (q_nj k_mj) = (Q^T Q)_ij (K^T K)_ij
        sums = ((q.mT @ q) * (k.mT @ k)).sum(0).double()
        count, before = self._logits.get(block.name, (0, torch.zeros_like(sums)))
        self._logits[block.name] = (count + q.shape[0] * q.shape[2] ** 2, before + sums)
