"""Packing: tensors of other code bases that timm keeps in other pieces. A row of `PACKINGS` takes some tensors of a
file and makes others of them, one at a time and only when they are read; `layouts` then renames all.

Shapes are found by the same functions on the meta device, so nothing has to be said twice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch

from .listing import Listing, refused

_Make = Callable[..., torch.Tensor]


@dataclass(frozen=True)
class Packing:
    """Where a name of the file fully matches `mark` and all of `sources` are there (templates of that match), they give
    way to `made`: name (a template too) -> what makes it of all sources, in order."""

    mark: str
    sources: tuple[str, ...]
    made: Mapping[str, _Make]


def _cat(*parts: torch.Tensor) -> torch.Tensor:
    return torch.cat(parts)


def _scaled(gain: torch.Tensor, direction: torch.Tensor) -> torch.Tensor:
    """weight_norm's g v / ||v||, the norm over every axis that g has but once."""
    gain, direction = gain.float(), direction.float()
    axes = [axis for axis in range(direction.ndim) if gain.ndim == 0 or gain.shape[axis] == 1]
    return gain * direction / torch.linalg.vector_norm(direction, dim=axes, keepdim=True)


def _merged(value: torch.Tensor) -> torch.Tensor:
    """mmcv merges patches with nn.Unfold: its channels run [C, row, column]; timm's run [column, row, C]."""
    return value.unflatten(-1, (-1, 2, 2)).movedim((-1, -2), (-3, -2)).flatten(-3)


PACKINGS = (
    Packing(r"(.+)_orig", (r"\1_orig", r"\1_mask"), {r"\1": torch.mul}),  # torch.nn.utils.prune
    Packing(r"(.+)_g", (r"\1_g", r"\1_v"), {r"\1": _scaled}),  # torch.nn.utils.weight_norm, before and since 2.0
    Packing(
        r"(.+)\.parametrizations\.(\w+)\.original0",
        (r"\1.parametrizations.\2.original0", r"\1.parametrizations.\2.original1"),
        {r"\1.\2": _scaled},
    ),
    # Hugging Face's attention, transformers 4 and 5
    Packing(r"(.+\.)query\.(\w+)", (r"\1query.\2", r"\1key.\2", r"\1value.\2"), {r"\1qkv.\2": _cat}),
    Packing(r"(.+\.)q_proj\.(\w+)", (r"\1q_proj.\2", r"\1k_proj.\2", r"\1v_proj.\2"), {r"\1qkv.\2": _cat}),
    # Hugging Face's DeiT without its teacher's classifier keeps the teacher's token and does not ask it
    Packing(
        r"((?:\w+\.)?embeddings\.)distillation_token",
        (r"\1distillation_token", "classifier.weight"),
        {r"\1reg_token": lambda token, head: token, "classifier.weight": lambda token, head: head},
    ),
    # OpenMMLab's Swin
    Packing(r"((?:.+\.)?stages\.\d+\.downsample\.(?:norm|reduction)\.\w+)", (r"\1",), {r"\1": _merged}),
    # torchvision's SwinV2 has a bias of keys and never uses it
    Packing(
        r"((?:.+\.)?features\.\d+\.\d+\.attn\.)logit_scale",
        (r"\1logit_scale", r"\1qkv.bias"),
        {
            r"\1logit_scale": lambda scale, bias: scale,
            r"\1q_bias": lambda scale, bias: bias.chunk(3)[0],
            r"\1v_bias": lambda scale, bias: bias.chunk(3)[2],
        },
    ),
    # DINOv2 with registers: timm adds positions to patches alone, so the class token's is added here once and for all
    *(
        Packing(
            r"((?:.+\.)?)register_tokens",
            (r"\1cls_token", rf"\1{positions}", r"\1register_tokens"),
            {
                r"\1cls_token": lambda token, places, registers: token + places[:, :1],
                rf"\1{positions}": lambda token, places, registers: places[:, 1:],
                r"\1reg_token": lambda token, places, registers: registers,
            },
        )
        for positions in ("pos_embed", "position_embeddings")
    ),
)


def packed(found: Listing) -> Listing:
    """The same file after every packing that it asks for; raises CheckpointError where shapes do not fit together."""
    for packing in PACKINGS:
        found = _apply(packing, found)
    return found


def _apply(packing: Packing, found: Listing) -> Listing:
    recipes: dict[str, tuple[tuple[str, ...], _Make]] = {}
    for name in found.shapes:
        at = re.fullmatch(packing.mark, name)
        sources = tuple(at.expand(source) for source in packing.sources) if at else ()
        if at and all(source in found.shapes for source in sources):
            recipes |= {at.expand(new): (sources, make) for new, make in packing.made.items()}
    return _with(recipes, found) if recipes else found


def _with(recipes: Mapping[str, tuple[tuple[str, ...], _Make]], found: Listing) -> Listing:
    used = {source for sources, _ in recipes.values() for source in sources}
    shapes = {name: shape for name, shape in found.shapes.items() if name not in used}
    floats = {*found.floats} - used
    for name, (sources, make) in recipes.items():
        if name in shapes:
            raise refused(f"holds '{name[:80]}' twice", "save one state dict alone")
        try:
            empty = (torch.empty(found.shapes[source], device="meta") for source in sources)
            shapes[name] = tuple(make(*empty).shape)
        except (RuntimeError, IndexError, TypeError, ValueError) as error:
            raise refused(f"holds parts of '{name[:80]}' that do not fit together", "save it again") from error
        if all(source in found.floats for source in sources):
            floats.add(name)

    def read(name: str) -> torch.Tensor:
        sources, make = recipes.get(name, ((), found.read))
        return make(*map(found.read, sources)) if sources else found.read(name)

    return replace(found, shapes=shapes, floats=frozenset(floats), read=read)
