"""Saves and loads a pruned model: a directory with safetensors, the recipe and a card. No pickle anywhere.

`model.safetensors` holds every parameter; `recipe.json` the plan, for people and `--recipe`; `card.json` what is needed
to build the model again without its original weights: version, name of the model it was made from, with the "settings"
that timm needs beside it where that came as a file, kind of weights, hash of the tensors file and, for a sliced model,
the sizes of its blocks (`cut.slicing.kept_sizes`), where embedding channels went too how many are left ("embed"), and
what stands in the place of attention by block ("mixers"). "zeroed": single weights had been cut before its own plan.
"input_size", "mean", "std" and, where they are known, "class_names" say how it is used.
Next door: `plan` writes the recipe's JSON, `models` rebuilds the architecture around the tensors read here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from .errors import CheckpointError

TENSORS, CARD, RECIPE = "model.safetensors", "card.json", "recipe.json"
VERSION = 2  # 1 had no hash and knew no sliced models
_REMEDY = "pass a directory that 'prune --out' wrote"


def write(
    path: Path, tensors: Mapping[str, torch.Tensor], card: Mapping[str, Any], recipe: Mapping[str, Any] | None = None
) -> None:
    """Write a checkpoint to the directory `path`.

    Args:
        tensors: the model's state dict.
        card: "model" (a bundled or timm name) and "weights" (trained, pretrained or random), "kept" for a sliced
            model (`kept_sizes`), and whatever else should be told.
        recipe: the plan (`plan.to_recipe`); default: that of the card's "result", if any.

    Raises:
        CheckpointError: the place cannot be written.
    """
    recipe = recipe or card.get("result", {}).get("plan")
    try:
        path.mkdir(parents=True, exist_ok=True)
        save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, path / TENSORS)
        if recipe is not None:
            _write_json(path / RECIPE, recipe)
        _write_json(path / CARD, {**card, "version": VERSION, "sha256": _hash(path / TENSORS)})
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"'{path}' cannot be written ({type(error).__name__}); choose another directory."
        ) from error


def read(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """The tensors and the card of a directory that `write` made.

    Raises CheckpointError where a part is missing or damaged, and where the tensors are not those the card was written
    for.
    """
    card = read_card(path)
    try:
        digest = _hash(path / TENSORS)
    except OSError as error:
        raise CheckpointError(f"'{path}' is not a pruned checkpoint ({type(error).__name__}); {_REMEDY}.") from error
    if digest != card.get("sha256", digest):
        raise CheckpointError(
            f"'{path}' is not a pruned checkpoint: {TENSORS} is damaged or not the one its card was written for; "
            f"{_REMEDY}."
        )
    try:
        # Copies: the file's pages would change under the model when the file does, and lie less aligned.
        return {name: tensor.clone() for name, tensor in load_file(path / TENSORS).items()}, card
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"'{path}' is not a pruned checkpoint ({type(error).__name__}); {_REMEDY}.") from error


def read_card(path: Path) -> dict[str, Any]:
    """The card of a checkpoint; raises CheckpointError where it is missing, damaged or says too little."""
    try:
        card = json.loads((path / CARD).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"'{path}' is not a pruned checkpoint ({type(error).__name__}); {_REMEDY}.") from error
    _check_card(path, card)
    return card


def _check_card(path: Path, card: Any) -> None:
    """Raise CheckpointError unless a card says all that loading needs."""
    needed = {"model": str, "weights": str}
    version = card.get("version") if isinstance(card, dict) else None
    if version == VERSION:
        needed["sha256"] = str
    if version not in (1, VERSION) or not all(isinstance(card.get(key), kind) for key, kind in needed.items()):
        raise CheckpointError(f"'{path / CARD}' is not a card of version {VERSION}; {_REMEDY}.")
    if card["weights"] not in ("trained", "pretrained", "random"):
        raise CheckpointError(f"'{path / CARD}' names no known kind of weights; {_REMEDY}.")


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
