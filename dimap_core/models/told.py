"""What is told of an open model in a line: whose layout, which architecture, classes, input size, and how pictures are
given to it, each with where that was learned. No torch: the app and the commands print it.

Next door: `shapes.preprocessing` learns what is told of pictures here.
"""

from __future__ import annotations

from ..types import Anatomy, ModelInfo

_RGB = ("mean", "std")


def classes(anatomy: Anatomy) -> int:
    """How many outputs a model has; 0: it has no classifier."""
    return next((layer.shape[0] for layer in anatomy.outer if layer.name.startswith("head") and layer.shape), 0)


def in_a_line(info: ModelInfo, anatomy: Anatomy) -> str:
    """ "Hugging Face's Swin names, read as swin_tiny_...: 10 classes, 224 px (as you say), mean ..."."""
    count = classes(anatomy)
    outputs = f"{count:,} classes" + ("" if info.class_names else " without names") if count else "no classifier"
    layout = f"{info.layout} names, read as " if info.layout else ""
    size = f"{info.input_size} px{_where(info, 'img_size')}"
    parts = (f"{layout}{info.architecture or info.name}: {outputs}", size, _colours(info), _crop(info))
    return ", ".join(parts) + "."


def _colours(info: ModelInfo) -> str:
    numbers = {key: getattr(info, key) for key in _RGB}
    if all(set(values) == {0.5} for values in numbers.values()):
        said = "mean and std 0.5"
    else:
        said = " and ".join(f"{key} {' '.join(f'{x:g}' for x in values)}" for key, values in numbers.items())
    return said + _where(info, "mean")


def _crop(info: ModelInfo) -> str:
    whole = info.crop_pct >= 1
    seen = "the whole picture squashed" if info.crop_mode == "squash" else "the middle square"
    seen += "" if whole else f" of {100 * info.crop_pct:.3g} %"
    return f"{seen}, {info.interpolation}{_where(info, 'crop_pct')}"


def _where(info: ModelInfo, key: str) -> str:
    return f" ({info.learned[key]})" if info.learned.get(key) else ""
