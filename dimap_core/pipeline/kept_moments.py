"""What layers saw of training images and what the answers felt of them, kept on disk where gathering it took long: a
Swin-B's takes minutes once.

By the model's weights, the pass, the images and how many of them; the newest few stay. A file that cannot be written or
read is as good as none: what is kept here can be gathered again.
Next door: `chain` gathers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from ..anatomy import LayerInputs
from ..criteria import InputMoments, OutputFisher
from ..types import PruningError, home, whole_file

LONG = 10.0  # seconds from which it is kept
_FORM = 2  # to be raised whenever something else is gathered: older files are then as good as none
_MOST = 4  # files
_FELT = ("outputs", "diagonals", "qk")


def path_of(kind: str, fingerprint: str, data: str, images: int, seed: int) -> Path:
    """Where it lies; `kind`: which pass gathered it."""
    name = hashlib.sha256(json.dumps([_FORM, kind, fingerprint, data, images, seed]).encode()).hexdigest()[:32]
    return home() / "moments" / f"{name}.safetensors"


def write(path: Path, found: InputMoments) -> None:
    """Keep it, and let the oldest go."""
    tensors = {f"logits {block}": array for block, array in found.logits.items()}
    for layer, seen in found.inputs.items():
        tensors |= {f"mean {layer}": seen.mean, f"products {layer}": seen.products}
    if isinstance(found, OutputFisher):
        for what in _FELT:
            tensors |= {f"{what} {name}": np.asarray(value) for name, value in getattr(found, what).items()}
    about = {"data": found.data, "images": str(found.images), "seed": str(found.seed)}
    put(path, tensors, about, _MOST)


def put(path: Path, tensors: Mapping[str, np.ndarray], about: dict[str, str], most: int) -> None:
    """Write a file of a folder in which the newest `most` stay; one that cannot be written is not missed."""
    with suppress(PruningError, OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as part:
            save_file(dict(tensors), part, about)
        for old in sorted(path.parent.iterdir(), key=lambda file: file.stat().st_mtime_ns)[:-most]:
            old.unlink()


def read(path: Path) -> InputMoments | None:
    """What is kept there, if anything."""
    if not path.exists():
        return None
    with suppress(OSError, SafetensorError, KeyError, ValueError), safe_open(path, "numpy") as file:
        about = file.metadata()
        found: dict[str, dict] = {what: {} for what in ("logits", "mean", "products", *_FELT)}
        for key in file.keys():  # noqa: SIM118  # it is no dict
            what, _, name = key.partition(" ")
            found[what][name] = file.get_tensor(key)
        inputs = {name: LayerInputs(mean, found["products"][name]) for name, mean in found["mean"].items()}
        seen = (about["data"], int(about["images"]), int(about["seed"]), inputs, found["logits"])
        if not found["diagonals"]:
            return InputMoments(*seen)
        qk = {name: float(scale) for name, scale in found["qk"].items()}
        return OutputFisher(*seen, found["outputs"], found["diagonals"], qk)
    return None
