"""What SPViT's gates came to, and the smaller model that is made of it.

He et al., TPAMI 2024 (arXiv 2111.11802). Convolutions bring batch norms that the model never had: they are measured on
training images, so that small batches during fine-tuning do not decide.
Next door: `cut.derivation` builds, `method` and `compare` train.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import TypeAdapter
from torch import nn

from ....anatomy import PLACED
from ....cut import derived, fold
from ....data import normalised, stratified_order
from ....pipeline import Opened
from ....types import Anatomy, CheckpointError, LabelledImages, Mixer, ModelInfo
from ...recovery import Pruned

_MEASURED = 2048  # training images that batch norm is measured on, at most
_BATCH = 64


@dataclass(frozen=True)
class Found:
    """What a search derived, as plain data: by block name what takes attention's place, and the hidden units that stay;
    each block as the picture shows it (`Gated.shown`); after how many steps, and seconds that these take on a machine
    with nothing else to do; the share of MACs left, and whether that is within the budget."""

    mixers: Mapping[str, Mixer]
    hidden: Mapping[str, list[int]]
    blocks: list[dict[str, Any]]
    steps: int
    seconds: float
    left: float
    met: bool


def read_found(place: Path, anatomy: Anatomy) -> Found:
    """What an earlier run found and left as JSON; raises CheckpointError where it is damaged or of another model."""
    units = {block.name: block.part("mlp.fc1").shape[0] for block in anatomy.blocks}
    try:
        found = TypeAdapter(Found).validate_json(place.read_bytes(), strict=True)
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"'{place}' holds no result of a search ({type(error).__name__}); delete it or choose another folder."
        ) from error
    if not (
        found.mixers.keys() <= units.keys() == found.hidden.keys()
        and set(found.mixers.values()) <= set(PLACED)
        and all(kept and kept == sorted({*kept}) and kept[0] >= 0 for kept in found.hidden.values())
        and all(kept[-1] < units[name] for name, kept in found.hidden.items())
        and len(found.blocks) == len(units)
    ):
        raise CheckpointError(f"'{place}' holds what was found for another model; delete it or choose another folder.")
    return found


def build(opened: Opened, found: Found, hidden: Mapping[str, np.ndarray] | None = None) -> nn.Module:
    """The derived model from the original weights, in the form that is trained; with other `hidden` units if given."""
    units = hidden or {name: np.array(kept) for name, kept in found.hidden.items()}
    return derived(opened.model, opened.anatomy, found.mixers, units)


def finished(model: nn.Module, pruned: Pruned) -> nn.Module:
    """A fine-tuned model as it is deployed: batch norms measured on training images, convolutions folded."""
    measure_batchnorms(model, pruned.info, pruned.train)
    return fold(model)


def measure_batchnorms(model: nn.Module, info: ModelInfo, images: LabelledImages) -> None:
    """Give every batch norm the mean and variance of what it sees on training images, averaged over batches."""
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    if not norms:
        return
    order = stratified_order(images.labels)[:_MEASURED]
    place = next(model.parameters()).device
    with _measuring(model, norms), torch.no_grad():
        for at in range(0, len(order), _BATCH):
            model(normalised(info, images.images[order[at : at + _BATCH]]).to(place))


@contextmanager
def _measuring(model: nn.Module, norms: list[nn.BatchNorm2d]) -> Iterator[None]:
    """Batch norms average what they see, everything else is in evaluation mode."""
    model.eval()
    before = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch: the plain average
        norm.train()
    try:
        yield
    finally:
        for norm, momentum in zip(norms, before, strict=True):
            norm.momentum = momentum
        model.eval()
