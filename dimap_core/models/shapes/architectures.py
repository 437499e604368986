"""The architecture that a file's shapes belong to. Names (timm's) and shapes in, names and settings out: no torch, no
file.

Next door: `vits` and `swins` read the shapes of each family, `files.layouts` makes timm's names of other code bases',
`catalogue` lists what timm builds, `load` builds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from ...types import Shape, UnsupportedModel
from ..catalogue import builds
from .fitting import Architecture, fitting
from .swins import swin
from .vits import vit

_FIRST = {"layers.0.blocks.0.attn.qkv.weight": "Swin", "blocks.0.attn.qkv.weight": "ViT"}


def architecture(
    shapes: Mapping[str, Shape],
    buffers: Mapping[str, Shape],
    wanted: str = "",
    told: Mapping[str, Any] = MappingProxyType({}),
) -> Architecture:
    """What has such `shapes` (by timm's names).

    `buffers`: see `files.hints`. `wanted`: the architecture's name, if the user gave one: the shapes decide its sizes,
    the name what they do not tell (heads of a ViT, activation, input size). `told`: settings known from elsewhere: a
    norm's eps, a ViT's heads, a Swin's input size and window; and the
    `architecture` where its shapes are these.

    Raises:
        UnsupportedModel: neither Swin nor ViT, or one that only a name can tell; the message says so.
    """
    if any(name.endswith(".attn.dwc.weight") for name in shapes):
        raise UnsupportedModel(
            "This file's weights have focused linear attention (FLatten), which is known here in the sizes of the "
            "bundled swin-flatten only; choose another file."
        )
    family = next((family for name, family in _FIRST.items() if name in shapes), "")
    try:
        if family:
            known = builds()
            named = (build.name for build in fitting(shapes, known) if build.name == told.get("architecture"))
            wanted = wanted or next(named, "")
            swins = family == "Swin"
            made = swin(shapes, buffers, known, wanted, told) if swins else vit(shapes, known, wanted, told)
            return replace(made, settings={**made.settings, **_eps(told)})
    except KeyError as error:
        raise UnsupportedModel(
            f"This file's weights are named like a {family}'s, but lack {error}; save the whole state dict."
        ) from error
    except (IndexError, TypeError, ValueError, ZeroDivisionError):
        pass  # a part that every one of them has is of no such shape
    first = ", ".join(sorted(shapes)[:2])[:120]
    raise UnsupportedModel(
        f"This file's weights are named like no Swin, DeiT or ViT that is known here (it begins with {first}); "
        "save it from timm or the official code."
    )


def _eps(told: Mapping[str, Any]) -> dict[str, Any]:
    return {"norm_eps": told["norm_eps"]} if "norm_eps" in told else {}
