"""What a card says was cut of a model and put in the place of attention is done to a dense one, checked first, before
it takes the tensors that lie beside the card.

Next door: `checkpoints` reads and writes the files, `load` builds the dense model, `saving` makes sure that what is
written leads back.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..anatomy import PLACED
from ..cut import BlockSizes, block_sizes, is_block, place_mixers, resize, resize_embed
from ..types import KINDS, CheckpointError, Mixer
from . import checkpoints


def fill(model: nn.Module, name: str, path: Path, tensors: Mapping[str, torch.Tensor], card: Mapping[str, Any]) -> None:
    """Make the dense model called `name` what `checkpoints.read` found at `path`, in place.

    Raises CheckpointError where the two do not fit.
    """
    shape(model, path, card)
    check_tensors(path, name, tensors, model.state_dict())
    model.load_state_dict(tensors, assign=True)


def shape(model: nn.Module, path: Path, card: Mapping[str, Any]) -> None:
    """Give a dense model the sizes and mixers that its card lists, in place."""
    _narrow(path, card, model)  # while all that it narrows is attention
    place_mixers(model, _mixers(path, card, model))
    resize(model, _kept(path, card, model))


def _mixers(path: Path, card: Mapping[str, Any], model: nn.Module) -> dict[str, Mixer]:
    """What a card says stands in the place of attention; raises CheckpointError where the model cannot have it."""
    mixers = card.get("mixers", {})
    if not isinstance(mixers, dict):
        mixers = {"mixers": None}
    blocks: dict[str, Any] = {name: module for name, module in model.named_modules() if is_block(module)}
    missing = {}
    for name, mixer in mixers.items():
        there = getattr(blocks[name].attn, "mixer", "softmax") if name in blocks else ""
        if mixer not in PLACED or not (there == mixer or hasattr(getattr(blocks.get(name), "attn", None), "qkv")):
            raise CheckpointError(
                f"'{path / checkpoints.CARD}' puts something in the place of attention that '{card['model']}' cannot "
                f"have ({str(name)[:80]}); it may be one of {', '.join(PLACED)} in each block."
            )
        if there != mixer:
            missing[name] = mixer
    return missing


def _kept(path: Path, card: Mapping[str, Any], model: nn.Module) -> dict[str, BlockSizes]:
    """The block sizes that a card lists; raises CheckpointError where the model cannot have them."""
    blocks = {name: block_sizes(module) for name, module in model.named_modules() if is_block(module)}
    kept = card.get("kept", {})
    sizes = {}
    for name, listed in kept.items() if isinstance(kept, dict) else [("kept", None)]:
        wanted: list[Any] = [listed.get(kind) for kind in KINDS] if isinstance(listed, dict) else []
        if name not in blocks or not all(
            type(size) is int and min(1, most) <= size <= most
            for size, most in zip_longest(wanted, blocks[name], fillvalue=0)
        ):
            raise CheckpointError(
                f"'{path / checkpoints.CARD}' lists sizes that '{card['model']}' cannot have ({name}); "
                "prune that model again."
            )
        sizes[name] = BlockSizes(*wanted)
    return sizes


def _narrow(path: Path, card: Mapping[str, Any], model: Any) -> None:
    """Give a model the embedding width that its card lists, if any; raises CheckpointError where it cannot have it."""
    width = card.get("embed")
    if width is None:
        return
    if type(width) is not int or not hasattr(model, "blocks") or not 1 <= width <= model.embed_dim:
        raise CheckpointError(
            f"'{path / checkpoints.CARD}' lists an embedding width that '{card['model']}' cannot have; "
            "prune that model again."
        )
    resize_embed(model, width)


def check_tensors(path: Path, name: str, found: Mapping[str, torch.Tensor], needed: Mapping[str, torch.Tensor]) -> None:
    """Raise CheckpointError at the first tensor that is missing, left over or of another shape or type."""

    def told(tensors: Mapping[str, torch.Tensor], key: str) -> str:
        return f"{tensors[key].dtype} {list(tensors[key].shape)}".removeprefix("torch.") if key in tensors else "none"

    for key in [*needed, *found]:
        if told(found, key) != told(needed, key):
            raise CheckpointError(
                f"'{path}' does not hold the weights of '{name}' (of {key} the file has {told(found, key)}, the model "
                f"needs {told(needed, key)}); prune that model again."
            )
