"""Saves and loads a pruned model: a directory with safetensors, the recipe and a card. No pickle anywhere.

Next door: `plan` writes the recipe's JSON, `models` rebuilds the architecture around the tensors read here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from .errors import CheckpointError

TENSORS, CARD = "model.safetensors", "card.json"
VERSION = 1


def write(path: Path, tensors: dict[str, torch.Tensor], card: dict[str, Any]) -> None:
    """Write `tensors` and the card (model name, kind of weights, recipe, cost) to the directory `path`."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, path / TENSORS)
        (path / CARD).write_text(json.dumps({"version": VERSION, **card}, indent=1) + "\n", encoding="utf-8")
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"'{path}' cannot be written ({type(error).__name__}); choose another directory."
        ) from error


def read(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """The tensors and the card of a directory that `write` made; raises CheckpointError where a part is missing."""
    remedy = "pass a directory that 'prune --out' wrote"
    try:
        card = json.loads((path / CARD).read_text(encoding="utf-8"))
        tensors = load_file(path / TENSORS)
    except (OSError, ValueError, SafetensorError) as error:
        raise CheckpointError(f"'{path}' is not a pruned checkpoint ({type(error).__name__}); {remedy}.") from error
    if not isinstance(card, dict) or card.get("version") != VERSION or not {"model", "weights"} <= card.keys():
        raise CheckpointError(f"'{path / CARD}' is not a card of version {VERSION}; {remedy}.")
    return tensors, card
