"""Saves and loads a pruned model: a directory with safetensors, the recipe and a card. No pickle anywhere.

`model.safetensors` holds every parameter; `recipe.json` the plan, for people and `--recipe`; `card.json` what is needed
to build the model again without its original weights: version, name of the model it was made from, with the "settings"
that timm needs beside it where that came as a file, kind of weights, hash of the tensors file and, for a sliced model,
the sizes of its blocks (`cut.slicing.kept_sizes`), where embedding channels went too how many are left ("embed"), and
what stands in the place of attention by block ("mixers"); "dense" tells the file it was made from, if it was one;
"timm" what timm builds the uncut model by, for `load_pruned`.
"zeroed": single weights had been cut before its own plan. "input_size", "mean", "std", "crop_pct", "crop_mode",
"interpolation" and, where they are known, "class_names" say how it is used.
Next door: `types.writing` moves a whole directory to its place, `plan` writes the recipe's JSON, `load` rebuilds the
architecture around the tensors read here.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from ..types import CheckpointError, ModelInfo, check_place, told, whole_folder

TENSORS, CARD, RECIPE = "model.safetensors", "card.json", "recipe.json"
LOADER = "load_pruned.py"  # what loads a checkpoint without this project; `saving` lays it beside
VERSION = 2  # 1 had no hash and knew no sliced models
_REMEDY = "pass a directory that 'prune --out' wrote"
_OTHER = "another directory"


def write(
    path: Path,
    tensors: Mapping[str, torch.Tensor],
    card: Mapping[str, Any],
    recipe: Mapping[str, Any] | None = None,
    complete: Callable[[Path], object] = lambda written: None,
) -> None:
    """Write a checkpoint to the directory `path`: whole, or nothing of it. An older checkpoint there makes room once
    the new one was read back; all other files stay.

    Args:
        tensors: the model's state dict.
        card: "model" (a bundled or timm name) and "weights" (trained, pretrained or random), "kept" for a sliced
            model (`kept_sizes`), and whatever else should be told.
        recipe: the plan (`plan.to_recipe`); default: that of the card's "result", if any.
        complete: called with the written directory before it is moved to its place; adds what else is to lie there,
            and raises where it cannot be used.

    Raises:
        CheckpointError: the place cannot be written, or has files of the same names that are no checkpoint's.
    """
    recipe = recipe or card.get("result", {}).get("plan")
    _check_own(path)
    with whole_folder(path, other=_OTHER, instead_of=(TENSORS, CARD, RECIPE)) as part:
        save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, part / TENSORS)
        if recipe is not None:
            _write_json(part / RECIPE, recipe)
        _write_json(part / CARD, {**card, "version": VERSION, "sha256": _hash(part / TENSORS)})
        _check_written(part, tensors)
        complete(part)


def check_writable(path: Path) -> None:
    """Raise CheckpointError now where `write` could not write to `path` later, so that no long work is in vain."""
    _check_own(path)
    check_place(path, other=_OTHER)


def _check_own(path: Path) -> None:
    """Raise CheckpointError where a directory has files of a checkpoint's names that `write` did not write."""
    with told(path, other=_OTHER):
        if path.exists() and not path.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        there = [name for name in (TENSORS, CARD, RECIPE) if (path / name).exists()] if path.is_dir() else []
    if there and there != [RECIPE]:
        try:
            read_card(path)
        except CheckpointError as error:
            raise CheckpointError(
                f"'{path}' holds a {there[0]} that is no pruned checkpoint's and would be lost; choose {_OTHER}."
            ) from error


def _check_written(part: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    """Raise CheckpointError unless the file holds these tensors bit by bit; one of them is in memory at a time."""
    with safe_open(part / TENSORS, framework="pt") as file:
        same = set(file.keys()) == set(tensors) and all(
            _same(file.get_tensor(name), tensor.detach().cpu()) for name, tensor in tensors.items()
        )
    if not same:
        raise CheckpointError("What was written is not what was to be written; check the disk and try again.")


def _same(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether two tensors are the same bit by bit, NaN or not."""
    bits = (tensor.contiguous().reshape(-1).view(torch.uint8) for tensor in (one, other))
    return one.dtype == other.dtype and one.shape == other.shape and torch.equal(*bits)


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


def dense_file(card: Mapping[str, Any]) -> dict[str, str]:
    """What a card says of the file that its model was made from; older cards tell only by their settings that it was
    one."""
    told = card.get("dense", {"file": "", "fingerprint": ""} if "settings" in card else {})
    whole = isinstance(told, dict) and all(isinstance(told.get(key), str) for key in ("file", "fingerprint"))
    return {key: told[key] for key in ("file", "fingerprint")} if whole else {}


def zeroed(card: Mapping[str, Any]) -> bool:
    """Whether a checkpoint's tensors hold zeros where single weights were cut, by its card's own plan or an earlier
    one ("zeroed"). Training keeps them zero."""
    result = card.get("result")
    plan = result.get("plan") if isinstance(result, Mapping) else None
    if isinstance(result, Mapping) and isinstance(plan, Mapping) and plan.get("granularity") in ("weight", "nm"):
        return result.get("params_removed") != 0 or card.get("zeroed") is True
    return card.get("zeroed") is True


def facts(info: ModelInfo) -> dict[str, Any]:
    """What must go along with a model's weights to use it: side of its input in pixels, mean and standard deviation of
    each channel on a 0..1 scale, how timm's transform crops and resizes and, where they are known, the names of its
    outputs in order."""
    names = {"class_names": list(info.class_names)} if info.class_names else {}
    crop = {key: getattr(info, key) for key in ("crop_pct", "crop_mode", "interpolation")}
    return {"input_size": info.input_size, "mean": list(info.mean), "std": list(info.std), **crop, **names}
