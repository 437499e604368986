"""What torch.save writes: zips of stored members that add up to no more than the file, with one pickle, which `inert`
reads; or, before PyTorch 1.6, what `legacy_file` reads.

Next door: `state` finds the state dict in it, `opening` decides by the first bytes what a file is.
"""

from __future__ import annotations

import mmap
import struct
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ...types import CheckpointError, Shape
from . import inert, legacy_file
from .listing import FLOATS, Listing, check_count, class_names, members, quantised, refused, starts
from .state import state_dict, unread

_MOST_SHARED = 1024**3  # bytes that tensors may take together, more than the file has where they share values
_MOST_PICKLE = 1024**2  # that of Swin-L takes 60 kB, with an optimizer's state three times as much


def torch_listing(path: Path) -> Listing:
    """The state dict of a file that torch.save wrote, on the meta device; it is mapped into memory when first read."""
    return _listing(path, partial(_in_zip, path, _pickle_of(path)))


def legacy_listing(path: Path) -> Listing:
    """The same of a file as torch.save wrote it before PyTorch 1.6."""
    return _listing(path, partial(legacy_file.content, path))


def torch_content(path: Path) -> Any:
    """All that a file of torch.save, before or since 1.6, holds; its tensors have no values."""
    legacy = starts(path).startswith(b"\x80")
    return _whole(partial(legacy_file.content, path) if legacy else partial(_in_zip, path, _pickle_of(path)), "meta")


def _pickle_of(path: Path) -> zipfile.ZipInfo:
    """The one pickle of a zip that holds no more than it is large."""
    parts, size = members(path), path.stat().st_size
    pickles = [item for item in parts if item.filename.rpartition("/")[2] == "data.pkl"]
    if len(pickles) != 1:
        raise refused("is a zip, but none of torch.save")
    if any(item.compress_type != zipfile.ZIP_STORED or item.flag_bits & 1 for item in parts):
        raise refused("has compressed or encrypted parts, which torch.save never writes", "save it with torch.save")
    if sum(item.file_size for item in parts) > size or pickles[0].file_size > _MOST_PICKLE:
        raise refused("declares parts larger than it is", "save its state dict again with torch.save")
    return pickles[0]


def _listing(path: Path, content: Callable[[str], Any]) -> Listing:
    """What `content` finds on the meta device; it is asked for values when the first are read."""
    found = _whole(content, "meta")
    state, notes = state_dict(found)
    check_count({name: tuple(tensor.shape) for name, tensor in state.items()})
    for name, tensor in state.items():
        if tensor.numel() > _values(tensor) or tensor.nbytes > path.stat().st_size:
            raise refused(f"declares more values than it holds ('{name[:80]}' has {tensor.numel():,})", "save it again")
    if sum(tensor.nbytes for tensor in state.values()) > max(path.stat().st_size, _MOST_SHARED):
        raise refused("declares far more values than it holds", "save it without layers that share them")
    if left := unread(found):
        raise quantised(left)
    floats = frozenset(name for name, tensor in state.items() if str(tensor.dtype) in FLOATS)
    mapped: dict[str, torch.Tensor] = {}

    def read(name: str) -> torch.Tensor:
        if not mapped:
            mapped.update(state_dict(_whole(content, "cpu"))[0])
        return mapped[name]

    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    types = {name: str(tensor.dtype).removeprefix("torch.") for name, tensor in state.items()}
    told = {"architecture": arch} if isinstance(arch := found.get("arch"), str) else {}  # timm's training script
    return Listing(shapes, floats, read, class_names(found), told, notes, types)


def _values(tensor: torch.Tensor) -> int:
    """How many different values of its storage a tensor can show; layers may share a storage, but none be stretched."""
    shown = zip(tensor.shape, tensor.stride(), strict=True)
    return 1 + sum((side - 1) * stride for side, stride in shown) if tensor.numel() else 0


def _whole(content: Callable[[str], Any], device: str) -> Any:
    try:
        return content(device)
    except CheckpointError:
        raise
    except Exception as error:  # whatever a damaged pickle makes stumble
        raise refused(
            f"cannot be read ({type(error).__name__})", "save its state dict again with torch.save"
        ) from error


def _in_zip(path: Path, pickled: zipfile.ZipInfo, device: str) -> Any:
    """What the pickle of torch.save's zip holds; on "cpu" the tensors are mapped, on "meta" they have no values."""
    with zipfile.ZipFile(path) as archive:
        rebuild = inert.meta if device == "meta" else _mapped(path, archive, pickled)
        return inert.content(archive.read(pickled), rebuild)


def _mapped(path: Path, archive: zipfile.ZipFile, pickled: zipfile.ZipInfo) -> inert.Rebuild:
    """Makes tensors of the zip's members `data/KEY`, which lie beside the pickle."""
    around = pickled.filename.removesuffix("data.pkl")
    if f"{around}byteorder" in archive.namelist() and archive.read(f"{around}byteorder") != b"little":
        raise ValueError("written on a machine of another byte order")
    with path.open("rb") as file:
        values = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)

    def rebuild(storage: inert.Storage, offset: int, shape: Shape, strides: Shape) -> torch.Tensor:
        member = archive.getinfo(f"{around}data/{storage.key}")
        name, more = struct.unpack("<2H", values[member.header_offset + 26 : member.header_offset + 30])
        start = member.header_offset + 30 + name + more
        if storage.count * storage.dtype.itemsize > member.file_size or start + member.file_size > len(values):
            raise ValueError("a storage beyond its member")
        return inert.mapped(values, start, storage, offset, shape, strides)

    return rebuild
