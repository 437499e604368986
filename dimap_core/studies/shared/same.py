"""Whether every process of a study judges the same: the same weights, images and versions, by their hashes.

Next door: `working` looks before it does a trial, `ledger` keeps what the study was begun with.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from ...criteria import criterion
from ...data import ClassFile, stratified_order
from ...pipeline import Opened, check_trained, judged_by_name, open_model, training_data
from ...plan import validate
from ...types import DataError, LabelledImages
from ..report.made import own_version
from .asked import Asked

_LOOKED_AT = 256  # images whose pixels are hashed
_ROOMS = ("types", "data", "anatomy", "criteria", "cut", "measure", "plan", "models", "pipeline")
_CORE = Path(__file__).resolve().parents[2]


def versions() -> dict[str, str]:
    """Of the project (with a hash of the code that a row depends on), torch and timm."""
    digest = hashlib.sha256()
    for room in _ROOMS:
        for path in sorted((_CORE / room).rglob("*.py")):
            digest.update(path.read_bytes())
    own = {"DIMAP Explorer": f"{own_version()}+{digest.hexdigest()[:8]}"}
    return own | {name: version(name) for name in ("torch", "timm")}


def open_for(asked: Asked, model: str, data: str | None = None) -> tuple[Opened, LabelledImages]:
    """A study's model judged by its images; `data`: where they lie here, if not where the study says."""
    classes = ClassFile(pairs=asked.classes) if asked.classes else None
    opened, judged = judged_by_name(open_model(model), data or asked.data, asked.limit, asked.split, classes)
    check_trained(opened)
    return opened, judged


def hashes(asked: Asked, opened: Opened, judged: LabelledImages) -> dict[str, str]:
    """Of a model's weights, the images it is judged by, and those that criteria or repair read, where any do."""
    found = {"weights": opened.info.fingerprint, "images": images_hash(judged, asked.limit)}
    if any(plan.repair or criterion(plan.criterion).reads_images for plan in asked.plans):
        found["training images"] = images_hash(training_data(opened))
    return found


def images_hash(images: LabelledImages, limit: int | None = None) -> str:
    """Of all labels and classes of the first `limit` in the order of judging, and the pixels, as the model sees them,
    of at most 256 images spread evenly over these: to decode all of a large folder would take as long as a trial."""
    order = stratified_order(images.labels)[:limit]
    seen = order[np.unique(np.linspace(0, len(order) - 1, min(len(order), _LOOKED_AT)).astype(np.int64))]
    outputs = None if images.outputs is None else images.outputs.tolist()
    digest = hashlib.sha256(repr((images.class_names, outputs)).encode())
    digest.update(images.labels[order].tobytes())
    for start in range(0, len(seen), 16):
        digest.update(np.asarray(images.images[seen[start : start + 16]]).tobytes())
    return digest.hexdigest()[:16]


def look(asked: Asked) -> dict[str, Any]:
    """What a study that begins here begins with; raises PruningError where a model, its images or a plan cannot be."""
    found = {}
    for model in asked.models:
        opened, judged = open_for(asked, model)
        for plan in asked.plans:
            validate(plan, opened.anatomy)
        found[model] = hashes(asked, opened, judged)
    return {"versions": versions(), "models": found}


def check_versions(name: str, known: Mapping[str, Any]) -> None:
    """Raise DataError where this process has other versions than the study was begun with."""
    here = versions()
    for what, wanted in known["versions"].items():
        if here[what] != wanted:
            raise DataError(
                f"The study '{name}' was begun with {what} {wanted}, here is {here[what]}; install that one here."
            )


def check_hashes(name: str, known: Mapping[str, Any], model: str, here: Mapping[str, str]) -> None:
    """The same for a model and its images."""
    for what, wanted in known["models"][model].items():
        if here.get(what) != wanted:
            raise DataError(
                f"The {what} of '{model}' here (hash {here.get(what)}) are not those that the study '{name}' was begun "
                f"with ({wanted}); copy the same files here{'' if what == 'weights' else ', or name them by --data'}."
            )
