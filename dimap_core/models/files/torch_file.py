"""torch.save's zip files: stored members that add up to no more than the file, and one pickle, which may name nothing
but containers, storages and the functions that rebuild tensors: a much shorter list than
`torch.load(weights_only=True)` has (which lets `bytearray(10**10)` through); that gate comes second.

Next door: `state` finds the state dict in it, `opening` decides by the first bytes what a file is.
"""

from __future__ import annotations

import argparse
import pickletools
import zipfile
from pathlib import Path
from typing import Any

import torch

from .listing import FLOATS, Listing, check_count, class_names, members, refused
from .state import state_dict

_MOST_PICKLE = 1024**2  # that of Swin-L takes 60 kB, with an optimizer's state three times as much
_STORAGES = ("Double", "Float", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool")
_GLOBALS = {f"torch {name}Storage" for name in _STORAGES} | {
    "collections OrderedDict", "argparse Namespace", "torch Size", "torch._utils _rebuild_tensor_v2",
    "torch._utils _rebuild_parameter", "torch.nn.parameter Parameter",
}  # fmt: skip
_CALLS = {
    "STACK_GLOBAL",
    "INST",
    "OBJ",
    "NEWOBJ_EX",
    "EXT1",
    "EXT2",
    "EXT4",
    "PERSID",
}  # torch.save writes none of them


def torch_listing(path: Path) -> Listing:
    """The state dict of a file that torch.save wrote, on the meta device; it is mapped into memory when first read."""
    parts, size = members(path), path.stat().st_size
    pickles = [item for item in parts if item.filename.rpartition("/")[2] == "data.pkl"]
    if len(pickles) != 1:
        raise refused("is a zip, but none of torch.save")
    if any(item.compress_type != zipfile.ZIP_STORED or item.flag_bits & 1 for item in parts):
        raise refused("has compressed or encrypted parts, which torch.save never writes", "save it with torch.save")
    if sum(item.file_size for item in parts) > size or pickles[0].file_size > _MOST_PICKLE:
        raise refused("declares parts larger than it is", "save its state dict again with torch.save")
    try:
        with zipfile.ZipFile(path) as archive:
            _check_pickle(archive.read(pickles[0]))
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise refused("is cut short or damaged") from error
    content = _torch_load(path, "meta")
    state = state_dict(content)
    check_count({name: tuple(tensor.shape) for name, tensor in state.items()})
    if sum(tensor.nbytes for tensor in state.values()) > size:
        most = max(state, key=lambda name: state[name].nbytes)
        raise refused(
            f"declares more values than it holds ('{most[:80]}' has {state[most].numel():,})", "save it again"
        )
    floats = frozenset(name for name, tensor in state.items() if str(tensor.dtype) in FLOATS)
    mapped: dict[str, torch.Tensor] = {}

    def read(name: str) -> torch.Tensor:
        if not mapped:
            mapped.update(state_dict(_torch_load(path, "cpu")))
        return mapped[name]

    return Listing({name: tuple(tensor.shape) for name, tensor in state.items()}, floats, read, class_names(content))


def _torch_load(path: Path, device: str) -> Any:
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):
            return torch.load(path, map_location=device, weights_only=True, mmap=device != "meta")
    except Exception as error:  # the unpickler raises whatever the pickle makes it stumble over
        raise refused(
            f"cannot be read ({type(error).__name__})", "save its state dict again with torch.save"
        ) from error


def _check_pickle(code: bytes) -> None:
    """Raise CheckpointError for a pickle that names anything beyond what a state dict needs."""
    for operation, argument, _ in pickletools.genops(code):
        named = argument if operation.name == "GLOBAL" else operation.name
        if operation.name in _CALLS or (operation.name == "GLOBAL" and argument not in _GLOBALS):
            raise refused(
                f"holds more than weights ({str(named).replace(' ', '.')[:80]}) and was not opened",
                "save the state dict alone: torch.save(model.state_dict(), ...)",
            )
