"""Packing: tensors of other code bases that timm keeps in other pieces. A row of `PACKINGS` takes some tensors of a
file and makes others of them, one at a time and only when they are read; `layouts` then renames all. The same row says
how the file's tensors are made of those again.

Shapes are found by the same functions on the meta device, so nothing has to be said twice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from .listing import Listing, refused

_Make = Callable[..., torch.Tensor]
_Tensors = Sequence[torch.Tensor]


@dataclass(frozen=True)
class Packing:
    """Where a name of the file fully matches `mark` and all of `sources` are there (templates of that match), they give
    way to `made`: name (a template too) -> what makes it of all sources, in order. `back`(what was made, the file's own
    sources): sources that what was made can be made of anew."""

    mark: str
    sources: tuple[str, ...]
    made: Mapping[str, _Make]
    back: Callable[[_Tensors, _Tensors], _Tensors]


def _cat(*parts: torch.Tensor) -> torch.Tensor:
    return torch.cat(parts)


def _apart(made: _Tensors, old: _Tensors) -> _Tensors:
    return made[0].split([len(part) for part in old])


def _unmasked(made: _Tensors, old: _Tensors) -> _Tensors:
    """What a mask hides stays as it was; a place that has a value now is hidden no more."""
    (value,), (before, mask) = made, old
    mask = torch.where((mask == 0) & (value != 0), 1, mask)
    return torch.where(mask == 0, before, value / torch.where(mask == 0, 1, mask)), mask


def _scaled(gain: torch.Tensor, direction: torch.Tensor) -> torch.Tensor:
    """weight_norm's g v / ||v||, the norm over every axis that g has but once."""
    gain, direction = gain.float(), direction.float()
    return gain * direction / torch.linalg.vector_norm(direction, dim=_norm_axes(gain, direction), keepdim=True)


def _norm_axes(gain: torch.Tensor, direction: torch.Tensor) -> list[int]:
    return [axis for axis in range(direction.ndim) if gain.ndim == 0 or gain.shape[axis] == 1]


def _unscaled(made: _Tensors, old: _Tensors) -> _Tensors:
    """A row that is all zero keeps its direction: without one it would be none."""
    (value,), (gain, direction) = made, old
    norm = torch.linalg.vector_norm(value, dim=_norm_axes(gain, direction), keepdim=True)
    return norm.reshape(gain.shape), torch.where(norm == 0, direction, value)


def _merged(value: torch.Tensor) -> torch.Tensor:
    """mmcv merges patches with nn.Unfold: its channels run [C, row, column]; timm's run [column, row, C]."""
    return value.unflatten(-1, (-1, 2, 2)).movedim((-1, -2), (-3, -2)).flatten(-3)


def _unmerged(made: _Tensors, old: _Tensors) -> _Tensors:
    return (made[0].unflatten(-1, (2, 2, -1)).movedim((-3, -2), (-1, -2)).flatten(-3),)


def _without_registers(made: _Tensors, old: _Tensors) -> _Tensors:
    """The class token's own position stays; the token is what it adds up to with it."""
    (token, places, registers), first = made, old[1][:, :1]
    return token - first, torch.cat([first, places], 1), registers


PACKINGS = (
    Packing(r"(.+)_orig", (r"\1_orig", r"\1_mask"), {r"\1": torch.mul}, _unmasked),  # torch.nn.utils.prune
    Packing(
        r"(.+)_g", (r"\1_g", r"\1_v"), {r"\1": _scaled}, _unscaled
    ),  # torch.nn.utils.weight_norm, before and since 2.0
    Packing(
        r"(.+)\.parametrizations\.(\w+)\.original0",
        (r"\1.parametrizations.\2.original0", r"\1.parametrizations.\2.original1"),
        {r"\1.\2": _scaled},
        _unscaled,
    ),
    # Hugging Face's attention, transformers 4 and 5
    Packing(r"(.+\.)query\.(\w+)", (r"\1query.\2", r"\1key.\2", r"\1value.\2"), {r"\1qkv.\2": _cat}, _apart),
    Packing(r"(.+\.)q_proj\.(\w+)", (r"\1q_proj.\2", r"\1k_proj.\2", r"\1v_proj.\2"), {r"\1qkv.\2": _cat}, _apart),
    # Hugging Face's DeiT without its teacher's classifier keeps the teacher's token and does not ask it
    Packing(
        r"((?:\w+\.)?embeddings\.)distillation_token",
        (r"\1distillation_token", "classifier.weight"),
        {r"\1reg_token": lambda token, head: token, "classifier.weight": lambda token, head: head},
        lambda made, old: made,
    ),
    # OpenMMLab's Swin
    Packing(r"((?:.+\.)?stages\.\d+\.downsample\.(?:norm|reduction)\.\w+)", (r"\1",), {r"\1": _merged}, _unmerged),
    # torchvision's SwinV2 has a bias of keys and never uses it
    Packing(
        r"((?:.+\.)?features\.\d+\.\d+\.attn\.)logit_scale",
        (r"\1logit_scale", r"\1qkv.bias"),
        {
            r"\1logit_scale": lambda scale, bias: scale,
            r"\1q_bias": lambda scale, bias: bias.chunk(3)[0],
            r"\1v_bias": lambda scale, bias: bias.chunk(3)[2],
        },
        lambda made, old: (made[0], torch.cat([made[1], old[1].chunk(3)[1], made[2]])),
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
            _without_registers,
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
    for sources, made in _matches(packing, found.shapes):
        recipes |= {name: (sources, make) for name, make in zip(made, packing.made.values(), strict=True)}
    return _with(recipes, found) if recipes else found


def _matches(packing: Packing, names: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """(sources, what is made of them) wherever a packing applies."""
    for name in names:
        at = re.fullmatch(packing.mark, name)
        sources = tuple(at.expand(source) for source in packing.sources) if at else ()
        if at and all(source in names for source in sources):
            yield sources, tuple(at.expand(new) for new in packing.made)


def sources_of(found: Listing, values: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The other way round: tensors by the file's own names of `values` by those that `packed` gives it, float32; where
    a part of what belongs together is missing, none of it."""
    stages = [found]
    for packing in PACKINGS:
        stages.append(_apply(packing, stages[-1]))
    values = dict(values)
    for packing, before in zip(reversed(PACKINGS), reversed(stages[:-1]), strict=True):
        for sources, made in _matches(packing, before.shapes):
            new = [values.pop(name) for name in made if name in values]
            if len(new) == len(made):
                values |= dict(zip(sources, _made_again(packing, new, [*map(before.read, sources)]), strict=True))
    return values


def _made_again(packing: Packing, made: _Tensors, old: _Tensors) -> _Tensors:
    """The old ones where they still make the same."""
    again = (make(*old).float() for make in packing.made.values())
    if all(torch.equal(one, other) for one, other in zip(again, made, strict=True)):
        return old
    return packing.back(made, [tensor.float() for tensor in old])


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
