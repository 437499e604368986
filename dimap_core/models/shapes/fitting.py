"""Which known architectures some shapes fit, and what `vits` and `swins` both read off them.

Next door: `architectures` decides the family and knows the catalogue, `limits` says which settings a file may ask for.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...types import Family, Shape, UnsupportedModel

PATCHES = "patch_embed.proj.weight"
_HEADS = ("head.", "head_dist.")


@dataclass(frozen=True)
class Architecture:
    """What a file's weights are: a bundled or timm name, and the `settings` that timm needs besides it. `notes`: a
    sentence on each of them that was guessed; `question`: what only the user can say, empty where nothing is open."""

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    question: str = ""


@dataclass(frozen=True)
class Build:
    """An architecture as files show it: `signature` hashes names and shapes of all parameters that neither the classes
    nor the input size change, `behaviour` what the same shapes can be used for in different ways (heads, activation,
    norms, pooling), `positions` the tokens besides patches that have a position, `windows` of each stage."""

    name: str
    family: Family
    signature: str
    behaviour: str
    input_size: int
    positions: int = 0
    windows: tuple[int, ...] = ()


def exact(shapes: Mapping[str, Shape]) -> str:
    """A hash of all names and shapes."""
    return _hash(sorted(shapes.items()))


def signature(shapes: Mapping[str, Shape]) -> str:
    """A hash of names and shapes but for what classes and input size change: head, positions, bias tables' rows."""
    kept = []
    for name, shape in sorted(shapes.items()):
        if name.startswith(_HEADS) or name == "pos_embed":
            continue
        kept.append((name, shape[1:] if name.endswith("relative_position_bias_table") else shape))
    return _hash(kept)


def _hash(named: list[tuple[str, Shape]]) -> str:
    return hashlib.sha256(repr(named).encode()).hexdigest()[:12]


def fitting(shapes: Mapping[str, Shape], known: Iterable[Build], wanted: str = "") -> list[Build]:
    """The known architectures of these shapes, whatever their channels (those that are known have three); only the
    wanted one where there is one."""
    seen = signature({**shapes, PATCHES: (shapes[PATCHES][0], 3, *shapes[PATCHES][2:])})
    return [build for build in known if build.signature == seen and wanted in ("", build.name)]


def nearest(fits: list[Build], size: int) -> list[Build]:
    """Those made for the input size first, DeiT before ViT, then by the shortest name."""
    return sorted(
        fits,
        key=lambda build: (build.input_size != size, build.name.startswith("vit"), len(build.name), build.name),
    )


def ambiguous(fits: list[Build], what: str) -> UnsupportedModel:
    """One architecture of each behaviour is named."""
    kinds = {(build.behaviour, build.windows): build.name for build in reversed(nearest(fits, 0))}
    listed = ", ".join(sorted(kinds.values(), key=len)[:4])
    return UnsupportedModel(
        f"This file's weights fit several architectures that differ in {what} ({listed}); "
        "name the one it is (FILE@ARCHITECTURE)."
    )


def channels(shapes: Mapping[str, Shape]) -> dict[str, int]:
    """The setting of the images' channels, where they are not three; raises UnsupportedModel for what is no image."""
    number = shapes[PATCHES][1]
    if number not in (1, 3):
        raise UnsupportedModel(
            f"This file's model takes images of {number} channels ({PATCHES} is {list(shapes[PATCHES])}), and images "
            "here have three, or one where they are grey; choose another file."
        )
    return {"in_chans": 1} if number == 1 else {}


def patch_side(shapes: Mapping[str, Shape]) -> int:
    """Side of a patch in pixels; raises UnsupportedModel for patches that are not square."""
    height, width = shapes[PATCHES][2:]
    if height != width:
        raise UnsupportedModel(
            f"This file's model cuts images into patches of {height} x {width} pixels, and only square ones are "
            "supported; choose another file."
        )
    return width


def classes(shapes: Mapping[str, Shape]) -> int:
    """How many outputs the classifier has; 0 without one."""
    return next((shapes[name][0] for name in ("head.weight", "head.fc.weight") if shapes.get(name)), 0)


def count(shapes: Mapping[str, Shape], pattern: str) -> int:
    """One more than the highest number that `pattern` finds in a whole name, and no more than there are names."""
    highest = max((int(at[1]) for at in (re.fullmatch(pattern, name) for name in shapes) if at), default=-1)
    return min(1 + highest, len(shapes))


def ratio(shape: Shape) -> float:
    """MLP ratio of fc1's weight; a trace more, since timm rounds down what it multiplies."""
    return shape[0] / shape[1] * (1 + 1e-9)
