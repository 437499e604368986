"""The central frozen data types. No logic beyond derived properties, no torch, no streamlit.

Next door: `errors` for what can go wrong, `anatomy` and `criteria` for what fills these types, `estimates`: accuracies.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np

Granularity = Literal["weight", "structure", "nm"]
Scope = Literal["layer", "stage-module", "module", "model"]
Family = Literal["swin", "deit"]
Mixer = Literal["softmax", "linear", "conv3", "conv1", "skip"]

QKV, PRJ, MLP, AUX = "QKV-M", "PRJ-M", "MLP-M", "AUX-M"
MODULES = (QKV, PRJ, MLP, AUX)
PRUNABLE_MODULES = (QKV, PRJ, MLP)

KINDS = ("mlp_neuron", "head", "qk_dim", "v_dim")
"""What a structured plan removes; it leaves heads alone unless it names them."""
Cell = tuple[int | None, str | None]
"""A stage, a stage x module (for structures: x kind) cell, or (None, module) in all stages; stages count from 0."""


@dataclass(frozen=True)
class ModelInfo:
    """What is known about a model besides its weights.
    `input_size` is the side of the square input in pixels; `mean` and `std` are per RGB channel, on a 0..1 scale.
    `fingerprint` is a hash of the weights: caches key on it, never on tensors. A pruned checkpoint's `name` is that of
    the model it was made from. `architecture`, `settings`: what timm builds the same model by, where it came as a file.
    `dense`: the "file" that it is or was cut from, and its "fingerprint"; empty where `name` says all. `zeroed`: single
    weights were cut, so that params which are zero are told apart; elsewhere zeros are chance."""

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


@dataclass(frozen=True)
class CriterionInfo:
    """A row of the criteria registry: everything picker, help text, CLI and contract tests need to know.

    `fn(model, anatomy, granularity, statistics, seed)` returns `ranking.Scores`. `scores`: what it can score, single
    weights ("weight", which N:M masks use too) or groups ("structure"). `needs`, within weights, gradients, activations
    and attributions: for gradients or activations `statistics` is a `statistics.Statistics`, for attributions a
    `gates.Attributions`.
    """

    key: str
    label: str
    fn: Callable[..., Any]
    paper: str
    equation: str
    summary: str
    needs: frozenset[str] = frozenset({"weights"})
    scores: frozenset[str] = frozenset({"weight", "structure"})

    @property
    def evidence(self) -> Literal["", "statistics", "attributions"]:
        """Which pass over training images it needs, if any."""
        needs = self.needs - {"weights"}
        return "attributions" if "attributions" in needs else "statistics" if needs else ""

    @property
    def reads_images(self) -> bool:
        """Whether training images have to be read before it can score."""
        return bool(self.evidence)


@dataclass(frozen=True)
class PruningPlan:
    """What to remove, before anything is scored or cut. Validated by `plan.validate`.

    `ratio`: removed units / units of each competition set, 0 <= ratio < 1; None where a budget is given instead, and
    for N:M masks. `overrides`: (cell, ratio) pairs; a stage, stage x module or module that competes alone at its own
    ratio. `budget`: share 0..1 of all dense MACs, params or measured latency (`budget_kind`) to remove; solves for
    `ratio`. `cost_exponent`: rank by score / (MACs per unit) ** exponent; 0 = as published. `nm`: "2:4" keeps 2 of
    every 4 consecutive inputs. `round_to`: structures are kept in multiples of it. `repair`: least-squares update of
    the layers after removed structures. `images`: how many training images repair and data-driven criteria read.
    """

    criterion: str = "dimap"
    granularity: Granularity = "weight"
    scope: Scope = "module"
    ratio: float | None = 0.0
    overrides: tuple[tuple[Cell, float], ...] = ()
    budget: float | None = None
    budget_kind: Literal["macs", "params", "latency"] = "macs"
    cost_exponent: float = 0.0
    protected: tuple[str, ...] = ()
    nm: str | None = None
    round_to: int = 1
    repair: bool = False
    seed: int = 0
    images: int = 256

    @property
    def scored(self) -> Literal["weight", "structure"]:
        """What the criterion has to score for this cut; patterns are chosen among single weights."""
        return "structure" if self.granularity == "structure" else "weight"


@dataclass(frozen=True)
class Selection:
    """What a plan removes: `removed[name]` units of each layer (of each `GroupSet` for structures), lowest keys first.

    `ratio` is the common ratio in force (solved for, where the plan has a budget); `nm` that of an N:M mask.
    """

    removed: Mapping[str, int]
    ratio: float
    granularity: Granularity = "weight"
    nm: str | None = None


@dataclass(frozen=True)
class Part:
    """Params and MACs of one part before and after a cut; for masks "after" counts non-zero weights and their MACs.
    `prunable` and `removed` count weights of the layers that plans act on."""

    params: int = 0
    macs: int = 0
    params_after: int = 0
    macs_after: int = 0
    prunable: int = 0
    removed: int = 0

    @property
    def ratio(self) -> float:
        """Removed / prunable weights, 0..1."""
        return self.removed / self.prunable if self.prunable else 0.0


@dataclass(frozen=True)
class CostReport:
    """Cost of the whole model and of each cell; cells are keyed (stage or None, module class)."""

    total: Part
    cells: Mapping[tuple[int | None, str], Part]
    layers: Mapping[str, Part]


@dataclass(frozen=True)
class LabelledImages:
    """A data set split; caches key on its `name`.

    `images`: uint8 [N, 3, H, W], an array or, decoded as it is read, what takes the same indices; `labels`: int64 [N];
    `cues`: per cue name an int64 array [classes] that maps each joint class to that cue's value; `cue_names`: per cue
    the names of its values. `outputs`: int64 [classes], the model's outputs that compete; None: all, in order.
    """

    name: str
    images: Any
    labels: np.ndarray
    class_names: tuple[str, ...]
    cues: Mapping[str, np.ndarray] = field(default_factory=dict)
    cue_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    outputs: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.labels)
