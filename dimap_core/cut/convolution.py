"""Convolutions that stand in the place of self-attention, made from what the attention had learned (SPViT).

Paper: He et al., "Pruning Self-attentions into Convolutional Layers in Single Path", TPAMI 2024 (arXiv 2111.11802).
With A = softmax over heads of B / alpha, B [heads, 9] learned and ones at first, tap p of a convolution is mixed from
all heads: V_p = sum_h A_hp W_V^h [d, D], b_p = sum_h A_hp b_V^h, O_p = sum_h A_hp W_O^h [D, d]. Then

    3x3    y_i = (sum_p O_p) ReLU(BN(sum_p V_p x_(i + offset p) + sum_p b_p)) + b_O
    1x1    y_i = O_c ReLU(BN(V_c x_i + b_c)) + b_O                                      with c the centre tap

A bottleneck of d channels, one head's. While it is trained values, projection and mixture stay apart (`UnmergedMixer`),
then they are folded into convolution - batch norm - ReLU - convolution (`ConvMixer`) with the same outputs. Class and
distillation tokens pass by: the slot returns what it was given, their norm. On Swin a convolution sees the whole map,
unshifted. Where nothing is left the slot adds zero ("skip"); the block's first norm stays, unused, as in published
counts. Ours: taps are folded into a kernel for `conv2d` instead of gathered, which is the same; one alpha for both
families, the released DeiT's.
Next door: `whole_map` frees a Swin block of its windows, `training.methods.spvit.method` searches what stands where.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from ..anatomy import PLACED, SIDES
from ..types import Anatomy, Mixer, UnsupportedModel
from .whole_map import see_whole_map

ALPHA = 1e-2
_CENTRE = 4


class Place(NamedTuple):
    """Where tokens lie: `prefix` tokens, then patches row by row on a `grid` of (height, width)."""

    prefix: int
    grid: tuple[int, int]


def over_map(x: torch.Tensor, place: Place, run: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
    """`run` on the patches of x [B, N, D] as a map [B, D, height, width]; prefix tokens pass by."""
    first, patches = x[:, : place.prefix], x[:, place.prefix :]
    made = run(patches.transpose(1, 2).unflatten(2, place.grid)).flatten(2).transpose(1, 2)
    return torch.cat([first, made], 1) if place.prefix else made


class SkipMixer(nn.Module):
    """Nothing mixes tokens: the block's residual passes on what came."""

    mixer: Mixer = "skip"

    def forward(
        self, x: torch.Tensor, attn_mask: Any = None, is_causal: bool = False, mask: Any = None
    ) -> torch.Tensor:
        """x [B, N, D] -> zeros; what timm's blocks pass besides says nothing here."""
        return torch.zeros_like(x)


class ConvMixer(nn.Module):
    """Convolution D -> d, batch norm, ReLU, convolution d -> D: the deployed form."""

    def __init__(self, mixer: Mixer, width: int, channels: int, place: Place, device: Any = None) -> None:
        super().__init__()
        self.mixer, self.place, side = mixer, place, SIDES[mixer]
        self.conv = nn.Conv2d(width, channels, side, padding=side // 2, device=device)
        self.batchnorm = nn.BatchNorm2d(channels, device=device)
        self.out = nn.Conv2d(channels, width, 1, device=device)

    def forward(
        self, x: torch.Tensor, attn_mask: Any = None, is_causal: bool = False, mask: Any = None
    ) -> torch.Tensor:
        """x [B, N, D] -> the same shape."""
        return over_map(x, self.place, lambda image: self.out(self.batchnorm(self.conv(image)).relu()))


class Kernels(NamedTuple):
    """A bottleneck convolution: `weight` [d, D, side, side], `bias` [d], `out` [D, d, 1, 1], `shift` [D] or none."""

    weight: torch.Tensor
    bias: torch.Tensor
    out: torch.Tensor
    shift: torch.Tensor | None


class Shared(NamedTuple):
    """What attention and convolutions share: values W_V [H d, D] with bias, projection W_O [D, H d] with bias."""

    values: torch.Tensor
    bias: torch.Tensor | None
    proj: torch.Tensor
    shift: torch.Tensor | None

    @classmethod
    def of(cls, attention: Any) -> Shared:
        """Of timm's packed attention."""
        qkv, proj = attention.qkv, attention.proj
        bias = None if qkv.bias is None else qkv.bias.chunk(3)[2]
        return cls(qkv.weight.chunk(3)[2], bias, proj.weight, proj.bias)

    def kernels(self, mixture: torch.Tensor, mixer: str) -> Kernels:
        """The convolution of a mixture B [H, 9]; tap p lies at offset (p % 3 - 1, p // 3 - 1) (down, right)."""
        heads = len(mixture)
        shares = (mixture / ALPHA).softmax(0)
        values = torch.einsum("hp,hdi->pdi", shares, self.values.unflatten(0, (heads, -1)))
        outs = torch.einsum("hp,ohd->pod", shares, self.proj.unflatten(1, (heads, -1)))
        if self.bias is None:
            biases = values.new_zeros(values.shape[:2])
        else:
            biases = torch.einsum("hp,hd->pd", shares, self.bias.unflatten(0, (heads, -1)))
        if mixer == "conv1":
            weight = values[_CENTRE, :, :, None, None]
            return Kernels(weight, biases[_CENTRE], outs[_CENTRE, :, :, None, None], self.shift)
        weight = values.unflatten(0, (3, 3)).permute(2, 3, 1, 0)
        return Kernels(weight, biases.sum(0), outs.sum(0)[:, :, None, None], self.shift)


def convolved(image: torch.Tensor, kernels: Kernels, batchnorm: nn.BatchNorm2d) -> torch.Tensor:
    """The bottleneck on a map [B, D, height, width]."""
    inner = F.conv2d(image, kernels.weight, kernels.bias, padding=kernels.weight.shape[-1] // 2)
    return F.conv2d(batchnorm(inner).relu(), kernels.out, kernels.shift)


class UnmergedMixer(nn.Module):
    """The same bottleneck while it is trained: values and projection of all heads, and the mixture B [H, 9]."""

    def __init__(self, mixer: Mixer, attention: Any, place: Place) -> None:
        super().__init__()
        self.mixer, self.place = mixer, place
        shared, heads = Shared.of(attention), attention.num_heads
        self.values = _linear(shared.values, shared.bias)
        self.proj = _linear(shared.proj, shared.shift)
        self.mixture = nn.Parameter(shared.values.new_ones(heads, 9))
        self.batchnorm = nn.BatchNorm2d(len(shared.values) // heads, dtype=shared.values.dtype)

    def forward(
        self, x: torch.Tensor, attn_mask: Any = None, is_causal: bool = False, mask: Any = None
    ) -> torch.Tensor:
        """x [B, N, D] -> the same shape."""
        return over_map(x, self.place, lambda image: convolved(image, self.kernels(), self.batchnorm))

    def kernels(self) -> Kernels:
        """The convolution that its parameters stand for."""
        shared = Shared(self.values.weight, self.values.bias, self.proj.weight, self.proj.bias)
        return shared.kernels(self.mixture, self.mixer)

    def folded(self) -> ConvMixer:
        """The deployed form, with equal outputs."""
        kernels = self.kernels()
        made = ConvMixer(self.mixer, self.values.in_features, len(kernels.bias), self.place).to(kernels.weight)
        shift = torch.zeros_like(made.out.bias) if kernels.shift is None else kernels.shift  # type: ignore[arg-type]
        with torch.no_grad():
            for parameter, value in zip(
                (made.conv.weight, made.conv.bias, made.out.weight, made.out.bias),
                (kernels.weight, kernels.bias, kernels.out, shift),
                strict=True,
            ):
                parameter.copy_(value)  # type: ignore[union-attr]
        made.batchnorm = copy.deepcopy(self.batchnorm)
        return made.train(self.training)


def _linear(weight: torch.Tensor, bias: torch.Tensor | None) -> nn.Linear:
    made = nn.Linear(weight.shape[1], weight.shape[0], bias is not None, dtype=weight.dtype, device=weight.device)
    with torch.no_grad():
        made.weight.copy_(weight)
        if bias is not None:
            made.bias.copy_(bias)
    return made


def place_of(model: Any, block: Any) -> Place:
    """Where a timm block's tokens lie."""
    if hasattr(block, "input_resolution"):
        return Place(0, tuple(block.input_resolution))
    return Place(model.num_prefix_tokens, tuple(model.patch_embed.grid_size))


def unmerge(model: nn.Module, mixers: Mapping[str, Mixer]) -> None:
    """Put what is trained in the place of the named blocks' attention, in place, made of that attention."""
    for name, mixer in mixers.items():
        block: Any = model.get_submodule(name)
        made = SkipMixer() if mixer == "skip" else UnmergedMixer(mixer, block.attn, place_of(model, block))
        _put(block, made)


def fold(model: nn.Module) -> nn.Module:
    """Make every `UnmergedMixer` of a model a `ConvMixer`, in place; the model itself."""
    for module in model.modules():
        if isinstance(getattr(module, "attn", None), UnmergedMixer):
            made: Any = module
            made.attn = made.attn.folded()
    return model


def place_mixers(model: nn.Module, mixers: Mapping[str, Mixer]) -> None:
    """Put deployed mixers without memory in the place of the named blocks' attention, in place; load a state dict with
    `assign=True`."""
    for name, mixer in mixers.items():
        block: Any = model.get_submodule(name)
        if mixer == "skip":
            made: nn.Module = SkipMixer()
        else:
            width, heads = block.attn.qkv.in_features, block.attn.num_heads
            channels = block.attn.proj.in_features // heads
            made = ConvMixer(mixer, width, channels, place_of(model, block), device="meta")
        _put(block, made)


def _put(block: Any, mixer: nn.Module) -> None:
    mixer.train(block.training)
    block.attn = mixer
    if hasattr(block, "window_size"):
        see_whole_map(block)


def mixers_of(anatomy: Anatomy) -> dict[str, Mixer]:
    """By block name what was put in the place of attention, for a checkpoint's card."""
    return {block.name: block.mixer for block in anatomy.blocks if block.mixer in PLACED}


def check_attends(anatomy: Anatomy, what: str) -> None:
    """Raise UnsupportedModel unless attention mixes tokens in every block; `what` asks for it."""
    if placed := mixers_of(anatomy):
        raise UnsupportedModel(
            f"{what} needs attention in every block, and in {len(placed)} of {len(anatomy.blocks)} here convolutions "
            "or nothing took its place; choose the model that this one was made from."
        )
