"""Every training image of a source at once in memory, for a training from scratch.

Next door: `from_source` has the images that judge, and the few thousand that criteria and repair read.
"""

from __future__ import annotations

import numpy as np
from torch import nn

from ..types import DataError, LabelledImages, ModelInfo
from . import subset
from .decode import Decoded
from .from_source import transform_of, tree_of
from .mapping import heads, match
from .sources import LEFT_OUT, ImageSource


def whole_training(source: ImageSource, model: nn.Module, info: ModelInfo) -> LabelledImages:
    """All images of the training split that `source` names, uint8 [N, 3, H, W] as the model takes them, and labels.

    Raises DataError where there is no training split, where its folders are not the model's classes, and where an
    image cannot be read.
    """
    found, title = tree_of(source)
    if found.trained is None:
        raise DataError(f"'{title}' has no train/ beside what judges; give a folder with train/ and val/.")
    names = list(found.trained.folders)
    matched = match(names, heads(len(info.class_names), info.class_names), {}, found.place.order)
    outputs = matched.outputs
    if matched.guessed or sorted(outputs.values()) != list(range(len(info.class_names))):
        unknown = ", ".join(name for name in names if outputs[name] == LEFT_OUT) or "by their names"
        raise DataError(f"The folders of '{title}' are not the classes of '{info.name}' ({unknown[:80]}).")
    files = [
        (file, outputs[name]) for name in names for file in subset.files_of(found.place, found.trained.folders[name])
    ]
    transform = transform_of(model, info)[0]
    decoded = Decoded(found.place, [file for file, _ in files], lambda _: (), transform, info.input_size)
    images = decoded[:]
    if decoded.failed:
        number, why = next(iter(decoded.failed.items()))
        raise DataError(f"'{files[number][0]}' of '{title}' cannot be read ({why}); take it out or replace it.")
    return LabelledImages(title, images, np.array([label for _, label in files], np.int64), info.class_names)
