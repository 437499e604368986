"""Writes models to checkpoint directories, and makes sure before that is called done that they open again.

Next door: `checkpoints` writes the files, `load` opens them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from ..types import CheckpointError, UnsupportedModel
from . import checkpoints
from .load import check_tensors, from_card


def save(path: Path, model: nn.Module, card: Mapping[str, Any]) -> None:
    """Write a model to the checkpoint directory `path`, as `checkpoints.write` does, once it is sure that it opens.

    `card`: as there. Raises CheckpointError where the place cannot be written, or the card does not lead back to the
    model's tensors.
    """

    def check(written: Path) -> None:
        check_leads_back(path, model, checkpoints.read_card(written))

    checkpoints.write(path, model.state_dict(), card, check=check)


def check_leads_back(path: Path, model: nn.Module, card: Mapping[str, Any]) -> None:
    """Raise CheckpointError unless a directory `path` with this card would open as this model."""
    try:
        check_tensors(path, card["model"], model.state_dict(), from_card(path, card)[0].state_dict())
    except (CheckpointError, UnsupportedModel) as error:
        raise CheckpointError(
            f"'{path}' was not written, because it could not be opened again ({str(error).rstrip('.')}); cut the model "
            "that it was made from."
        ) from error
