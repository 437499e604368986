"""Files and folders of other code bases, written anew in the form they came in: the same names, types, wrapper, parts
and configs, with other values.

Next door: `source` says which tensors; `models.files` reads what is written here.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from ...types import whole_file, whole_folder
from .. import files

_STAYS = ("arch", "class_to_idx", "meta")
"""What lies beside a state dict and tells what the model is; the rest belongs to the training that ended with it."""
_CONFIGS = (".json", ".txt", ".md")


def write_like(source: Path, tensors: Mapping[str, torch.Tensor], out: Path) -> tuple[str, ...]:
    """Write `tensors`, by the names that `source` has, to `out` in the form of `source`, a file or a folder.

    Returns what `source` holds besides and `out` does not: keys of torch.save's dict. Raises CheckpointError where
    `out` cannot be written.
    """
    if not source.is_dir():
        with whole_file(out) as part:
            return _write_file(source, tensors, part)
    with whole_folder(out) as folder:
        left = {key for file in files.weight_files(source) for key in _write_file(file, tensors, folder / file.name)}
        for file in source.iterdir():
            if file.suffix in _CONFIGS and file.is_file() and file.stat().st_size <= files.MOST_TEXT:
                shutil.copyfile(file, folder / file.name)
    return tuple(sorted(left))


def _write_file(source: Path, tensors: Mapping[str, torch.Tensor], out: Path) -> tuple[str, ...]:
    """`write_like` of one file, of which `tensors` may hold more than it has."""
    if not files.is_safetensors(source):
        content, left = _wrapped(files.torch_content(source), tensors)
        try:
            with out.open("wb") as file:
                torch.save(content, file)
        except RuntimeError as error:  # torch.save's own, in place of what the disk said
            raise error.__context__ if isinstance(error.__context__, OSError) else error from None
        return left
    with safe_open(source, framework="pt") as held:
        names, metadata = [*held.keys()], held.metadata()
    save_file({name: tensors[name] for name in names}, out, metadata)
    return ()


def _wrapped(content: dict[str, Any], tensors: Mapping[str, torch.Tensor]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """(what torch.save is to write, keys that are left out): `tensors` where the state dict lay, and wherever others of
    the same names do (an average of it, or what it is the average of)."""
    at, state, _ = files.state_at(content)
    state = {name: tensors[name] for name in state}
    if not at:
        return state, tuple(str(key) for key in content if key not in state)
    made: dict[str, Any] = {key: content[key] for key in _STAYS if key in content and _plain(content[key])}
    for keys, other in files.candidates(content):
        if keys and other.keys() == state.keys():
            place = made
            for key in keys[:-1]:
                place = place.setdefault(key, {})
            place[keys[-1]] = state
    return made, tuple(str(key) for key in content if key not in made)


def _plain(value: Any) -> bool:
    """Whether something is text and numbers alone, in lists and dicts."""
    if isinstance(value, dict):
        return all(_plain(one) for pair in value.items() for one in pair)
    if isinstance(value, list | tuple):
        return all(map(_plain, value))
    return value is None or isinstance(value, str | int | float | bool)
