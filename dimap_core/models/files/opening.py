"""Checkpoint files that people bring: safetensors, torch.save's files and Google's zips of numpy arrays, checked before
anything is read into memory. Nothing is ever executed.

A `Listing` tells names, shapes and types; tensors are read one at a time, once someone has compared those with a model.
What a file may hold is decided by its first bytes and its own directory, never by its name.
Next door: `torch_file` reads torch's, `npz_file` numpy's, `zips` this project's own, `packing` packs tensors as timm
has them, `nets` takes one net of several, `layouts` says what names mean.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from safetensors import SafetensorError, safe_open

from .folder import told, weight_files
from .listing import FLOATS, MOST_TEXT, Listing, check_count, class_names, in_floats, refused, starts
from .nets import one_net
from .npz_file import is_npz, npz_listing
from .packing import packed
from .torch_file import legacy_listing, torch_listing

_TYPES = {"F64": "float64", "I8": "int8", "U8": "uint8", "I32": "int32", "F8_E4M3": "float8", "F8_E5M2": "float8"}
"""torch's names of some of safetensors' types."""


@contextmanager
def look_into(path: Path) -> Iterator[Listing]:
    """What the checkpoint file at `path` holds, or the folder of one of transformers' models, packed as timm has it;
    raises CheckpointError where it is not to be read."""
    with as_it_is(path) as found:
        yield one_net(packed(in_floats(found)))


@contextmanager
def as_it_is(path: Path) -> Iterator[Listing]:
    """The same by the file's own names and tensors."""
    with _folder(path) if path.is_dir() else _file(path) as found:
        yield found


@contextmanager
def _folder(path: Path) -> Iterator[Listing]:
    with ExitStack() as stack:
        parts = [stack.enter_context(_file(part)) for part in weight_files(path)]
        reads = {name: part.read for part in parts for name in part.shapes}
        shapes = {name: shape for part in parts for name, shape in part.shapes.items()}
        check_count(shapes)
        floats = frozenset(name for part in parts for name in part.floats)
        settings, classes = told(path)
        types = {name: kind for part in parts for name, kind in part.types.items()}
        yield Listing(shapes, floats, lambda name: reads[name](name), classes, settings, types=types)


@contextmanager
def _file(path: Path) -> Iterator[Listing]:
    start = starts(path)
    if start.startswith(b"PK"):
        yield npz_listing(path) if is_npz(path) else torch_listing(path)
    elif is_safetensors(path):
        with _safetensors(path, int.from_bytes(start[:8], "little")) as found:
            yield found
    elif start.startswith(b"\x80"):
        yield legacy_listing(path)
    else:
        raise refused("is empty" if not start else "is neither safetensors nor a file of torch.save")


def is_safetensors(path: Path) -> bool:
    """Whether a file begins as safetensors do: the header's length, then JSON."""
    return starts(path)[8:9] == b"{"


@contextmanager
def _safetensors(path: Path, header: int) -> Iterator[Listing]:
    if header > MOST_TEXT or header + 8 > path.stat().st_size:
        raise refused(f"declares a header of {header:,} bytes", "download or save it again")
    try:
        with safe_open(path, framework="pt") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            shapes = {name: tuple(part.get_shape()) for name, part in slices.items()}
            floats = frozenset(name for name, part in slices.items() if part.get_dtype() in FLOATS)
            check_count(shapes)
            types = {name: _TYPES.get(part.get_dtype(), part.get_dtype()) for name, part in slices.items()}
            yield Listing(shapes, floats, file.get_tensor, class_names(file.metadata() or {}), types=types)
    except (OSError, SafetensorError) as error:
        raise refused("is a damaged safetensors file", "download or save it again") from error
