"""Writes models to checkpoint directories, and makes sure before that is called done that they open again.

Next door: `checkpoints` writes the files, `load` opens them here, `exports.load_pruned` where this project is not.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from ..types import CheckpointError, UnsupportedModel, timm_name
from . import checkpoints
from .bundled import bundled
from .directory import check_tensors
from .load import from_card
from .presets import presets


def save(path: Path, model: nn.Module, card: Mapping[str, Any]) -> None:
    """Write a model to the checkpoint directory `path`, as `checkpoints.write` does, once it is sure that it opens; its
    card also says what timm builds, and `load_pruned` lies beside it.

    `card`: as there. Raises CheckpointError where the place cannot be written, or the card does not lead back to the
    model's tensors.
    """

    def complete(written: Path) -> None:
        check_leads_back(path, model, checkpoints.read_card(written))
        shutil.copyfile(Path(__file__).parent / "exports" / checkpoints.LOADER, written / checkpoints.LOADER)

    checkpoints.write(path, model.state_dict(), {**card, **_timms(card)}, complete=complete)


def _timms(card: Mapping[str, Any]) -> dict[str, Any]:
    """The name and settings by which timm builds what a card's model was before it was cut; nothing where timm has no
    such parts."""
    name, settings = card["model"], card.get("settings", {})
    if spec := bundled(name):
        name, settings = spec.base, {"img_size": spec.input_size, "num_classes": spec.classes, **spec.kwargs}
    if name in presets() or (spec and spec.linear_stages):
        return {}
    return {"timm": {"name": timm_name(name), "settings": dict(settings)}}


def check_leads_back(path: Path, model: nn.Module, card: Mapping[str, Any]) -> None:
    """Raise CheckpointError unless a directory `path` with this card would open as this model."""
    try:
        check_tensors(path, card["model"], model.state_dict(), from_card(path, card)[0].state_dict())
    except (CheckpointError, UnsupportedModel) as error:
        raise CheckpointError(
            f"'{path}' was not written, because it could not be opened again ({str(error).rstrip('.')}); cut the model "
            "that it was made from."
        ) from error
