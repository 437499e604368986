"""What a checkpoint file holds, before anything of it is in memory; what is too much for any model is refused.

Next door: `opening` makes a listing of a file, `layouts` says what its names mean.
"""

from __future__ import annotations

import json
import math
import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from ...types import CheckpointError, Shape

MOST_TEXT = 4 * 1024**2
"""Bytes of a header, a card or a zip's directory."""
FLOATS = {"F64", "F32", "F16", "BF16", "torch.float64", "torch.float32", "torch.float16", "torch.bfloat16"}
_MOST_NAMES = 20_000
_KINDS = "choose a .safetensors, .pth or .pt file, or the zip of a pruned checkpoint"


@dataclass(frozen=True)
class Listing:
    """What a file holds, nothing of it in memory yet: `shapes` by name; `read(name)` gives a tensor of the file's own
    type; `floats`: the names whose values are floating-point numbers of 16 to 64 bits; `classes`: what the outputs are
    called, in order, and `told`: settings that no shape tells, where the file or what lies beside it says so; `notes`:
    sentences on what of the file was taken, where it holds more; `types` of its tensors by name ("float64", "int8"),
    where it tells."""

    shapes: Mapping[str, Shape]
    floats: frozenset[str]
    read: Callable[[str], torch.Tensor]
    classes: tuple[str, ...] = ()
    told: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    types: Mapping[str, str] = field(default_factory=dict)


def refused(what: str, remedy: str = _KINDS) -> CheckpointError:
    """The sentence about a file that cannot be used."""
    return CheckpointError(f"This checkpoint file {what}; {remedy}.")


def in_floats(found: Listing) -> Listing:
    """The same with a note where its numbers are longer than those that models are run in here; raises CheckpointError
    where weights are no floating-point numbers of 16 bits or more."""
    for name, kind in found.types.items():
        if re.search(r"\.(?:zero_point|_packed_params\..+)$", name):
            raise quantised(name)
        if name.endswith("weight") and name not in found.floats:
            raise quantised(name, kind)
    longer = "Its numbers of 64 bits are read, cut and judged as 32 bits (float32)."
    doubles = any(kind == "float64" for name, kind in found.types.items() if name in found.floats)
    return replace(found, notes=(*found.notes, longer)) if doubles else found


def quantised(name: str, kind: str = "") -> CheckpointError:
    """The sentence about weights that are no floating-point numbers of 16 bits or more; `kind`: what they are."""
    return refused(
        f"is quantised or holds numbers that no model is run in here ('{name[:80]}'{f' is {kind}' if kind else ''})",
        "save the model's state dict in float32 or float16, before it is quantised",
    )


def adapters() -> CheckpointError:
    """The sentence about what is no model's weights, but what is to be added to some."""
    return refused(
        "holds adapters (LoRA) to a model's weights",
        "merge them first (peft's model.merge_and_unload()) and save the whole state dict",
    )


def starts(path: Path) -> bytes:
    """A file's first nine bytes."""
    try:
        with path.open("rb") as file:
            return file.read(9)
    except OSError as error:
        raise refused(f"cannot be read ({type(error).__name__})", "check the path") from error


def members(path: Path) -> list[zipfile.ZipInfo]:
    """A zip's directory, its size looked at before it is read."""
    try:
        with path.open("rb") as file:
            # zipfile's own reading of the end record, so that no other record can be the one it goes by later.
            end = zipfile._EndRecData(file)  # type: ignore[attr-defined]
        if end and end[5] > MOST_TEXT:
            raise refused("is a zip of too many files")
        with zipfile.ZipFile(path) as archive:
            return archive.infolist()
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:  # of a version that there is not
        raise refused("is cut short or damaged") from error


def class_names(content: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the outputs by torchvision's `class_to_idx`, which training scripts save beside the weights (in
    safetensors' metadata as JSON), or by OpenMMLab's `meta`; nothing where it does not number them from 0."""
    numbers = content.get("class_to_idx", _openmmlab_classes(content.get("meta")))
    if isinstance(numbers, str):
        try:
            numbers = json.loads(numbers)
        except (ValueError, RecursionError):
            return ()
    if not isinstance(numbers, dict) or not all(type(number) is int for number in numbers.values()):
        return ()
    names = {number: str(name) for name, number in numbers.items()}
    return tuple(names[number] for number in sorted(names)) if set(names) == set(range(len(numbers))) else ()


def _openmmlab_classes(meta: Any) -> dict[str, int]:
    """Since 1.0 under `dataset_meta`, before under CLASSES."""
    told = meta if isinstance(meta, dict) else {}
    newer = told.get("dataset_meta")
    classes = newer.get("classes") if isinstance(newer, dict) else told.get("CLASSES")
    return {str(name): number for number, name in enumerate(classes if isinstance(classes, list | tuple) else ())}


def check_count(shapes: Mapping[str, Shape]) -> None:
    """Raise CheckpointError for more tensors than any model has."""
    if len(shapes) > _MOST_NAMES or any(math.prod(shape) < 0 for shape in shapes.values()):
        raise refused(f"holds {len(shapes):,} tensors, more than any model")
