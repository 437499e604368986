"""What a model is made of, as frozen data. No logic beyond derived properties, no torch, no streamlit.

Next door: `plan` for what is removed, `cost` for what that saves; `anatomy` fills these types.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

Family = Literal["swin", "deit"]
Mixer = Literal["softmax", "linear", "conv3", "conv1", "skip"]
Shape = tuple[int, ...]

QKV, PRJ, MLP, AUX = "QKV-M", "PRJ-M", "MLP-M", "AUX-M"
MODULES = (QKV, PRJ, MLP, AUX)
PRUNABLE_MODULES = (QKV, PRJ, MLP)

KINDS = ("mlp_neuron", "head", "qk_dim", "v_dim")
"""What a structured plan removes; it leaves heads alone unless it names them."""


@dataclass(frozen=True)
class ModelInfo:
    """What is known about a model besides its weights.
    `input_size` is the side of the square input in pixels; `mean` and `std` are per channel on a 0..1 scale, of RGB
    or, for a model of grey images, of the one.
    `fingerprint` is a hash of the weights: caches key on it, never on tensors. A pruned checkpoint's `name` is that of
    the model it was made from. `architecture`, `settings`: what timm builds the same model by, where it came as a file.
    `dense`: the "file" that it is or was cut from, and its "fingerprint"; empty where `name` says all. `zeroed`: single
    weights were cut, so that params which are zero are told apart; elsewhere zeros are chance. `crop_pct`, `crop_mode`
    and `interpolation` are timm's: how a picture becomes the square input. `layout`: whose names a file's weights have;
    `learned`: by what is told of pictures, where that was learned."""

    name: str
    family: Family
    source: Literal["bundled", "timm", "directory", "file"]
    weights: Literal["trained", "pretrained", "random"]
    input_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    class_names: tuple[str, ...]
    fingerprint: str
    data: str | None = None
    architecture: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict, hash=False)
    dense: Mapping[str, str] = field(default_factory=dict, hash=False)
    zeroed: bool = False
    crop_pct: float = 1.0
    crop_mode: str = "center"
    interpolation: str = "bicubic"
    layout: str = ""
    learned: Mapping[str, str] = field(default_factory=dict, hash=False)
    notes: tuple[str, ...] = ()

    @property
    def channels(self) -> int:
        """Of the images: 3, or 1 where they are grey."""
        return len(self.mean)


@dataclass(frozen=True)
class Layer:
    """One parameter-owning part of the model (or the attention product, which owns MACs).
    `name` is the dotted timm module name, `shape` the weight's (empty where nothing can be pruned), `params` weights
    plus biases, `macs` those of one image's forward pass. `stage` and, within it, `block` count from 0; None: outside.
    """

    name: str
    module: str
    stage: int | None
    block: int | None
    shape: tuple[int, ...]
    params: int
    macs: int

    @cached_property
    def size(self) -> int:
        """Number of weights (biases not counted)."""
        return math.prod(self.shape) if self.shape else 0

    @property
    def prunable(self) -> bool:
        """Whether DIMAP's modules (everything but AUX-M) hold this layer."""
        return self.module != AUX

    @cached_property
    def macs_per_unit(self) -> float:
        """How often one weight is used in a forward pass (= tokens seen by the layer)."""
        return self.macs / self.size if self.size else 0.0


@dataclass(frozen=True)
class GroupSet:
    """All groups of one kind in one block; a group is what must be removed together.

    `name` is the block's dotted name and the kind, "layers.0.blocks.1:qk_dim"; `module` is the kind. `size` counts the
    units that can go one at a time: hidden units, heads, or dimensions of each head (one goes from all heads at once).
    `params` and `macs` are those of all units of the dense model; `layers` the dotted names of the layers they cut.
    """

    name: str
    module: str
    stage: int
    block: int
    size: int
    params: int
    macs: int
    layers: tuple[str, ...]

    @property
    def macs_per_unit(self) -> float:
        """MACs that one unit of the dense model takes part in."""
        return self.macs / self.size


@dataclass(frozen=True)
class Block:
    """One transformer block: attention and MLP with their norms, `heads` attention heads of `head_dim` channels.
    `mixer`: what stands in the attention's place; without attention there are no heads."""

    stage: int
    index: int
    heads: int
    head_dim: int
    layers: tuple[Layer, ...]
    mixer: Mixer = "softmax"

    @property
    def name(self) -> str:
        """Dotted timm name, "layers.0.blocks.1"."""
        return self.part("mlp.fc1").name.removesuffix(".mlp.fc1")

    def part(self, name: str) -> Layer:
        """The layer of that name inside the block, "mlp.fc1"; "attn" is the attention product."""
        return next(layer for layer in self.layers if layer.name.endswith(f".{name}"))


@dataclass(frozen=True)
class Stage:
    """A Swin stage, or for DeiT a group of consecutive blocks; `merging` holds the patch merging parts, if any."""

    index: int
    blocks: tuple[Block, ...]
    merging: tuple[Layer, ...] = ()

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Patch merging first, then the blocks' layers, as the forward pass meets them."""
        return self.merging + tuple(layer for block in self.blocks for layer in block.layers)


@dataclass(frozen=True)
class Anatomy:
    """Stages -> blocks -> layers of one model; `outer` holds patch embedding, final norm and head. Parts are disjoint,
    so params and MACs of all layers sum to the model's totals."""

    family: Family
    input_size: int
    stages: tuple[Stage, ...]
    outer: tuple[Layer, ...]

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """Every part, stages first."""
        return tuple(layer for stage in self.stages for layer in stage.layers) + self.outer

    @cached_property
    def prunable(self) -> tuple[Layer, ...]:
        """The layers that plans act on, in forward order."""
        return tuple(layer for layer in self.layers if layer.prunable)

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """Every block, in forward order."""
        return tuple(block for stage in self.stages for block in stage.blocks)

    @property
    def stage_word(self) -> str:
        """What a stage is called on screen: DeiT has none, so consecutive blocks are grouped."""
        return "stage" if self.family == "swin" else "block group"
