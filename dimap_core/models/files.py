"""Checkpoint files that people bring: safetensors and torch.save's zip files, checked before anything is read into
memory. Nothing is ever executed.

A `Listing` tells names, shapes and types; tensors are read one at a time, once someone has compared those with a model.
What a file may hold is decided by its first bytes and its own directory, never by its name. A torch file is a zip with
one pickle: its members must be stored (not compressed), add up to no more than the file, and its pickle may name
nothing but containers, storages and the functions that rebuild tensors, a much shorter list than
`torch.load(weights_only=True)` has (which lets `bytearray(10**10)` through); that gate comes second.
Next door: `layouts` says what the names mean, `load` builds the model, `checkpoints` reads this project's own format.
"""

from __future__ import annotations

import argparse
import json
import math
import pickletools
import shutil
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from ..types import TEMPORARY, CheckpointError, is_of_disk, sentence, temporary
from .checkpoints import CARD, RECIPE, TENSORS
from .layouts import Shape

_MOST_NAMES = 20_000
_MOST_TEXT = 4 * 1024**2  # bytes of a header, a card or a zip's directory
_MOST_RATIO = 100  # of unpacked to packed bytes; masks of zeros pack well
_MOST_PICKLE = 1024**2  # that of Swin-L takes 60 kB, with an optimizer's state three times as much
_FLOATS = {"F64", "F32", "F16", "BF16", "torch.float64", "torch.float32", "torch.float16", "torch.bfloat16"}
_WRAPPERS = ("state_dict_ema", "model_ema", "state_dict", "model")  # in timm's order: averaged weights first
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
_KINDS = "choose a .safetensors, .pth or .pt file, or the zip of a pruned checkpoint"


@dataclass(frozen=True)
class Listing:
    """What a file holds, nothing of it in memory yet: `shapes` by name; `read(name)` gives a tensor of the file's own
    type; `floats`: the names whose values are floating-point numbers of 16 to 64 bits; `classes`: what the outputs are
    called, in order, where the file says so."""

    shapes: Mapping[str, Shape]
    floats: frozenset[str]
    read: Callable[[str], torch.Tensor]
    classes: tuple[str, ...] = ()


def refused(what: str, remedy: str = _KINDS) -> CheckpointError:
    """The sentence about a file that cannot be used."""
    return CheckpointError(f"This checkpoint file {what}; {remedy}.")


def is_own_zip(path: Path) -> bool:
    """Whether a file is the zip of a checkpoint directory that this project wrote."""
    return _starts(path).startswith(b"PK") and any(Path(item.filename).name == CARD for item in _members(path))


@contextmanager
def listing(path: Path) -> Iterator[Listing]:
    """What the checkpoint file at `path` holds; raises CheckpointError where it is not to be read."""
    start = _starts(path)
    if start.startswith(b"PK"):
        yield _torch_listing(path)
    elif start[8:9] == b"{":
        with _safetensors(path, int.from_bytes(start[:8], "little")) as found:
            yield found
    elif start.startswith(b"\x80\x02"):
        raise refused("is in the format of PyTorch before 1.6", "load it there and save it again with torch.save")
    else:
        raise refused("is empty" if not start else "is neither safetensors nor a file of torch.save")


@contextmanager
def unpacked(path: Path, most: Callable[[Path], int]) -> Iterator[Path]:
    """This project's own zip as a directory, gone again afterwards; only its three known files are ever written.

    `most(directory)`: bytes that the weights may take, asked once the card lies there.
    """
    with temporary("dimap-checkpoint-") as place:
        try:
            _unpack(path, Path(place), most)
            yield Path(place)
        except CheckpointError as error:
            raise CheckpointError(str(error).replace(place, path.name[:120])) from error


def _starts(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(9)
    except OSError as error:
        raise refused(f"cannot be read ({type(error).__name__})", "check the path") from error


def _members(path: Path) -> list[zipfile.ZipInfo]:
    """A zip's directory, its size looked at before it is read."""
    try:
        with path.open("rb") as file:
            # zipfile's own reading of the end record, so that no other record can be the one it goes by later.
            end = zipfile._EndRecData(file)  # type: ignore[attr-defined]
        if end and end[5] > _MOST_TEXT:
            raise refused("is a zip of too many files")
        with zipfile.ZipFile(path) as archive:
            return archive.infolist()
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise refused("is cut short or damaged") from error


def _unpack(path: Path, place: Path, most: Callable[[Path], int]) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            _unpack_known(archive, place, most)
    except (OSError, ValueError, RuntimeError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        if is_of_disk(error):
            raise CheckpointError(sentence(place, error, TEMPORARY)) from error
        raise refused(f"is a damaged zip ({type(error).__name__})") from error


def _unpack_known(archive: zipfile.ZipFile, place: Path, most: Callable[[Path], int]) -> None:
    known = (TENSORS, CARD, RECIPE)
    items = [item for item in archive.infolist() if not item.is_dir()]
    folders = {item.filename.rpartition("/")[0] for item in items}
    around = f"{folders.pop()}/" if len(folders) == 1 and folders != {""} else ""  # a zip of the folder itself
    found = {item.filename.removeprefix(around): item for item in items}
    for name, item in found.items():
        if name not in known or stat.S_ISLNK(item.external_attr >> 16):
            raise refused(f"is a zip that holds '{name[:80]}'", f"zip {', '.join(known)} alone, as files")
    for name in known[1:]:
        if name in found:
            _extract(archive, found[name], place / name, _MOST_TEXT)
    if TENSORS not in found or CARD not in found:
        raise refused(f"lacks {TENSORS} or {CARD}", "download it again")
    packed = sum(item.compress_size for item in found.values())
    _extract(archive, found[TENSORS], place / TENSORS, min(most(place), _MOST_RATIO * packed) + _MOST_TEXT)


def _extract(archive: zipfile.ZipFile, item: zipfile.ZipInfo, place: Path, most: int) -> None:
    """Write one member to `place`; what it declares may be a lie, so what it gives is counted."""
    if item.file_size > most:
        raise refused(f"declares {item.file_size:,} bytes for '{item.filename}'", "prune that model again")
    free = shutil.disk_usage(place.parent).free
    if item.file_size > free // 2:
        raise refused("is larger than the space left on disk", "make room and try again")
    with archive.open(item) as packed, place.open("wb") as file:
        left = item.file_size
        while piece := packed.read(min(1024**2, left + 1)):
            left -= len(piece)
            if left < 0:
                raise refused(f"holds more of '{item.filename}' than it declares", "prune that model again")
            file.write(piece)


@contextmanager
def _safetensors(path: Path, header: int) -> Iterator[Listing]:
    if header > _MOST_TEXT or header + 8 > path.stat().st_size:
        raise refused(f"declares a header of {header:,} bytes", "download or save it again")
    try:
        with safe_open(path, framework="pt") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            shapes = {name: tuple(part.get_shape()) for name, part in slices.items()}
            floats = frozenset(name for name, part in slices.items() if part.get_dtype() in _FLOATS)
            _check_count(shapes)
            yield Listing(shapes, floats, file.get_tensor, _classes(file.metadata() or {}))
    except (OSError, SafetensorError) as error:
        raise refused("is a damaged safetensors file", "download or save it again") from error


def _torch_listing(path: Path) -> Listing:
    """The state dict of a file that torch.save wrote, on the meta device; it is mapped into memory when first read."""
    members, size = _members(path), path.stat().st_size
    pickles = [item for item in members if item.filename.rpartition("/")[2] == "data.pkl"]
    if len(pickles) != 1:
        raise refused("is a zip, but none of torch.save")
    if any(item.compress_type != zipfile.ZIP_STORED or item.flag_bits & 1 for item in members):
        raise refused("has compressed or encrypted parts, which torch.save never writes", "save it with torch.save")
    if sum(item.file_size for item in members) > size or pickles[0].file_size > _MOST_PICKLE:
        raise refused("declares parts larger than it is", "save its state dict again with torch.save")
    try:
        with zipfile.ZipFile(path) as archive:
            _check_pickle(archive.read(pickles[0]))
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise refused("is cut short or damaged") from error
    content = _torch_load(path, "meta")
    state = _state(content)
    _check_count({name: tuple(tensor.shape) for name, tensor in state.items()})
    if sum(tensor.nbytes for tensor in state.values()) > size:
        most = max(state, key=lambda name: state[name].nbytes)
        raise refused(
            f"declares more values than it holds ('{most[:80]}' has {state[most].numel():,})", "save it again"
        )
    floats = frozenset(name for name, tensor in state.items() if str(tensor.dtype) in _FLOATS)
    mapped: dict[str, torch.Tensor] = {}

    def read(name: str) -> torch.Tensor:
        if not mapped:
            mapped.update(_state(_torch_load(path, "cpu")))
        return mapped[name]

    return Listing({name: tuple(tensor.shape) for name, tensor in state.items()}, floats, read, _classes(content))


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


def _state(content: Any) -> dict[str, torch.Tensor]:
    """The state dict among what a file holds: the content itself, or what lies under the usual names."""
    for _ in range(2):
        inner = next((content[key] for key in _WRAPPERS if key in content), None) if isinstance(content, dict) else None
        content = inner if isinstance(inner, dict) else content
    items = content.items() if isinstance(content, dict) else ()
    state = {key: value for key, value in items if isinstance(key, str) and isinstance(value, torch.Tensor)}
    if not state:
        raise refused("holds no state dict", "save one with torch.save(model.state_dict(), ...)")
    return state


def _classes(content: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the outputs by torchvision's `class_to_idx`, which training scripts save beside the weights (in
    safetensors' metadata as JSON); nothing where it does not number them from 0."""
    numbers = content.get("class_to_idx")
    if isinstance(numbers, str):
        try:
            numbers = json.loads(numbers)
        except (ValueError, RecursionError):
            return ()
    if not isinstance(numbers, dict) or not all(type(number) is int for number in numbers.values()):
        return ()
    names = {number: str(name) for name, number in numbers.items()}
    return tuple(names[number] for number in sorted(names)) if set(names) == set(range(len(numbers))) else ()


def _check_count(shapes: Mapping[str, Shape]) -> None:
    if len(shapes) > _MOST_NAMES or any(math.prod(shape) < 0 for shape in shapes.values()):
        raise refused(f"holds {len(shapes):,} tensors, more than any model")
