"""What a model takes in memory, said before any of its weights are loaded: its layers are built without memory.

A model that is looked at holds its weights, one private cut of them, and what a batch of images makes of them; its
ranked scores and a copy of its weights lie on disk and are mapped.
Next door: `memory` says how much is allowed, `service.open_models` refuses and makes room, `pipeline.timing` sizes
batches by `image`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from torch import nn

from ..anatomy import build_anatomy
from ..types import Anatomy, ModelName, UnsupportedModel, size
from . import files, hub
from .memory import SETTING
from .named_models import skeleton

BATCH = 192 * 1024**2
"""Bytes that the activations of one batch may take; larger batches are no faster on a processor, and others wait."""

_IMAGES = 60  # more in a batch are not faster
_FLOAT = 4  # bytes
_ALIVE = 4  # largest outputs that a forward pass holds at a time; Swin-B's 16 images took 400 MiB, 3.9 of them


@dataclass(frozen=True)
class Footprint:
    """Bytes of a model's `weights`, and of what one `image` makes of them at a time."""

    weights: int
    image: int

    @property
    def batch(self) -> int:
        """Bytes of a batch of the size that `largest_batch` gives."""
        return self.image * largest_batch(self.image)

    @property
    def needed(self) -> int:
        """Bytes with one private cut and a batch."""
        return 2 * self.weights + self.batch


def image_bytes(anatomy: Anatomy) -> int:
    """What one image takes in a forward pass, about: some of the largest layer's outputs."""
    outputs = [layer.macs_per_unit * layer.shape[0] for layer in anatomy.layers if layer.shape]
    return int(_ALIVE * _FLOAT * max(outputs, default=0.0))


def of(model: nn.Module, anatomy: Anatomy) -> Footprint:
    """Of a model that is loaded."""
    return Footprint(sum(parameter.nbytes for parameter in model.parameters()), image_bytes(anatomy))


def largest_batch(image: int) -> int:
    """How many images a batch may have, from the bytes that one takes."""
    return max(1, min(_IMAGES, BATCH // max(image, 1)))


def footprint(name: str) -> Footprint:
    """Of a bundled or timm name; of a repository what is cached of it; of a file or folder of weights ("file:PATH" or
    "file:PATH@NAME") what their size says.

    Raises UnsupportedModel for a name that is not known or not of a known family.
    """
    found = ModelName.parse(name)
    if found.repository:
        folder = hub.folder_of(found.what)
        return Footprint(0, 0) if folder is None else footprint(f"file:{folder}")
    if found.kind != "file":
        return _named(name)
    path = Path(ModelName.parse(name, files.is_foreign).what)
    parts = files.weight_files(path) if path.is_dir() else [path]
    return Footprint(sum(part.stat().st_size for part in parts if part.is_file()), 0)


@lru_cache(maxsize=64)
def _named(name: str) -> Footprint:
    model, info = skeleton(name)
    weights = sum(parameter.numel() for parameter in model.parameters()) * _FLOAT
    return Footprint(weights, image_bytes(build_anatomy(model, info.family)))


def check(name: str, allowed: int) -> Footprint:
    """The footprint of a model that fits; raises UnsupportedModel for one that is too large, before it is loaded."""
    found = footprint(name)
    if found.needed > allowed:
        raise UnsupportedModel(
            f"'{name[-80:]}' needs about {size(found.needed)} of memory (its weights, one cut of them and a batch of "
            f"images), {size(allowed)} are allowed; choose a smaller model, or start with a larger {SETTING}."
        )
    return found
