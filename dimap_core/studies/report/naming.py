"""What models and images are called where nobody should read where they lie.

Next door: `command` writes them as options.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ...data import FOLDER, ZIP, shown
from ...types import UPLOAD, ModelName, is_file, is_folder
from ..story import NamedCut

Names = Mapping[str, str]
"""What models and images of somebody's own are called, by what a story names them by: "upload:TOKEN" tells nobody."""


def called(model: str, names: Names) -> str:
    """A model's name without where it lies."""
    if model in names:
        return shown(names[model])
    name = ModelName.parse(model, is_file)
    if name.kind == "upload":
        return "uploaded file"
    on_disk = name.kind == "file" or is_file(name.what) or is_folder(name.what)
    return shown(str(ModelName("plain", Path(name.what).name if on_disk else name.what, name.architecture)))


def images_called(data: str, names: Names) -> str:
    """What images are named by in a story, without where they lie; "" for the model's own."""
    if data in names:
        return f"{ZIP}{shown(names[data])}"
    if data.startswith(UPLOAD):
        return "uploaded zip"
    for prefix in (FOLDER, ZIP):
        if data.startswith(prefix):
            return prefix + shown(Path(data.removeprefix(prefix)).name)
    return shown(data)


def without_paths(cut: NamedCut, names: Names) -> NamedCut:
    """The cut as a report tells it: its model and images by their names alone."""
    return replace(cut, model=called(cut.model, names), data=images_called(cut.data, names))
