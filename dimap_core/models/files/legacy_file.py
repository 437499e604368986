"""Files that torch.save wrote before PyTorch 1.6, or was asked to write since: pickles one after the other (a number
that marks the format, its version, the machine's sizes, the content, the storages' keys), then each storage's values.

Next door: `inert` reads the pickles, `torch_file` makes a listing of what it finds.
"""

from __future__ import annotations

import mmap
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import torch

from ...types import Shape
from . import inert
from .listing import MOST_TEXT, refused

_MARK, _VERSION = 0x1950A86A20F9469CFC6C, 1001


def content(path: Path, device: str) -> Any:
    """What such a file holds; on "cpu" the tensors are mapped into memory, on "meta" they have no values.

    Raises CheckpointError for another kind of file, and what `inert.content` does for a damaged one.
    """
    with path.open("rb") as file:
        head = BytesIO(file.read(MOST_TEXT))
        values = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    following = partial(inert.content, head)
    mark, version, machine = (following(inert.meta) for _ in range(3))
    if (
        (mark, version) != (_MARK, _VERSION)
        or not isinstance(machine, dict)
        or machine.get("little_endian") is not True
    ):
        raise refused("is a pickle, but none of torch.save", "save a state dict with torch.save")
    start, types = head.tell(), dict[str, torch.dtype]()
    found, keys = following(_noting(types)), following(inert.meta)
    at = _places(values, head.tell(), keys, types)
    if device == "meta":
        return found
    head.seek(start)
    return inert.content(head, lambda *told: _tensor(values, at, *told))


def _noting(types: dict[str, torch.dtype]) -> inert.Rebuild:
    """`inert.meta` that notes the type of each storage."""

    def rebuild(storage: inert.Storage, offset: int, shape: Shape, strides: Shape) -> torch.Tensor:
        types[storage.key] = storage.dtype
        return inert.meta(storage, offset, shape, strides)

    return rebuild


def _places(values: mmap.mmap, start: int, keys: Any, types: dict[str, torch.dtype]) -> dict[str, tuple[int, int]]:
    """(first byte, how many values) of each storage; raises ValueError where they leave the file."""
    found = {}
    for key in keys:
        count = int.from_bytes(values[start : start + 8], "little")
        if start + 8 > len(values) or key not in types:
            raise ValueError("a storage that is not there")
        found[key] = start + 8, count
        start += 8 + count * types[key].itemsize
        if start > len(values):
            raise ValueError("a storage beyond the file")
    return found


def _tensor(
    values: mmap.mmap, at: dict[str, tuple[int, int]], storage: inert.Storage, offset: int, shape: Shape, strides: Shape
) -> torch.Tensor:
    start, count = at[storage.key]
    if storage.count > count:
        raise ValueError("a storage of fewer values")
    return inert.mapped(values, start, storage, offset, shape, strides)
