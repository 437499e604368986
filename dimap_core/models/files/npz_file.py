"""Google's ViT files: numpy's zips of arrays in Flax's names, as the augreg models of "How to train your ViT?"
(https://arxiv.org/abs/2106.10270) and Big Vision's are published.

timm reads them into a model of its own, which is built here in the sizes that the arrays' headers tell; nothing in them
is pickled.
Next door: `opening` decides by the first bytes what a file is, `architectures` says what the tensors are.
"""

from __future__ import annotations

import math
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib import format as npy
from timm.models.vision_transformer import VisionTransformer

from ...types import CheckpointError, Shape, listed
from .listing import Listing, check_count, members, refused, starts

_ROOT = r"^(?:opt/target/|params/img/|params/)?"
_BLOCK = (
    r"Transformer/encoderblock(?:_\d+)?/(?:LayerNorm_\d|MlpBlock_\d/Dense_[01]|MultiHeadDotProductAttention_\d/\w+)"
)
_KNOWN = (
    rf"(?:{_BLOCK}|Transformer/encoder_norm|embedding|head)/(?:kernel|bias|scale)|cls|pos_embedding|"
    r"Transformer/posembed_input/pos_embedding"
)
_GOOGLES = {"mean": (0.5,) * 3, "std": (0.5,) * 3}  # of every ViT that Google publishes so
_MOST_DEPTH = 200
_MOST_VALUES = 2 * 1024**3  # of ViT-G 1.8


def is_npz(path: Path) -> bool:
    """Whether a file is a zip of numpy's."""
    parts = members(path) if starts(path).startswith(b"PK") else []
    return bool(parts) and all(part.filename.endswith(".npy") for part in parts)


def npz_listing(path: Path) -> Listing:
    """The weights of such a file by timm's names; raises CheckpointError for another's, and for a damaged one."""
    arrays = _headers(path)
    names = {re.sub(_ROOT, "", name): shape for name, shape in arrays.items()}
    if unknown := [name for name in names if not re.fullmatch(_KNOWN, name)]:
        raise refused(
            f"is a zip of numpy arrays, but not of a plain ViT (it holds {listed(unknown)})",
            "choose one of the augreg files, or save the model from timm",
        )
    try:
        settings = _sizes(names)
        model = VisionTransformer(**settings, weight_init="skip", device="meta")
        shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
        if sum(map(math.prod, shapes.values())) != sum(map(math.prod, names.values())):
            raise ValueError("an array is missing, or of another size")
    except (LookupError, TypeError, ValueError, ArithmeticError, AssertionError, StopIteration, RuntimeError) as error:
        raise refused("is a zip of numpy arrays that make no whole ViT", "download it again") from error
    read: dict[str, torch.Tensor] = {}

    def tensor(name: str) -> torch.Tensor:
        if not read:
            read.update(_filled(model, path))
        return read[name]

    return Listing(
        shapes,
        frozenset(shapes),
        tensor,
        told={**_GOOGLES, "num_heads": settings["num_heads"], "img_size": settings["img_size"]},
    )


def _headers(path: Path) -> dict[str, Shape]:
    """Each array's shape by its name, from the headers alone; raises CheckpointError where they declare what the file
    does not hold, or is no number."""
    found = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for part in members(path):
                with archive.open(part) as file:
                    shape, _, kind = _header(file)
                packed = part.compress_type != zipfile.ZIP_STORED or part.file_size > path.stat().st_size
                if packed or kind.kind != "f" or math.prod(shape) * kind.itemsize > part.file_size:
                    raise refused(
                        "holds numpy arrays that are packed, no floating-point numbers, or larger than declared",
                        "save it with numpy.savez",
                    )
                found[part.filename.removesuffix(".npy")] = tuple(shape)
    except CheckpointError:
        raise
    except Exception as error:  # whatever a damaged header makes numpy stumble over
        raise refused("is a damaged zip of numpy arrays", "download it again") from error
    check_count(found)
    if sum(map(math.prod, found.values())) > _MOST_VALUES:
        raise refused("holds more values than any ViT")
    return found


def _header(file: Any) -> tuple[Shape, bool, np.dtype]:
    version = npy.read_magic(file)
    return npy.read_array_header_1_0(file) if version == (1, 0) else npy.read_array_header_2_0(file)


def _sizes(names: Mapping[str, Shape]) -> dict[str, Any]:
    """What timm builds the model by."""
    stacked = "Transformer/encoderblock/LayerNorm_0/scale" in names
    block = "Transformer/encoderblock/" if stacked else "Transformer/encoderblock_0/"
    inside = {
        name.removeprefix(block): shape[1:] if stacked else shape for name, shape in names.items() if block in name
    }
    hidden = next(shape[1] for name, shape in inside.items() if name.endswith("Dense_0/kernel"))
    width, heads = next(shape[:2] for name, shape in inside.items() if name.endswith("query/kernel"))
    numbers = {int(at[1]) for at in (re.match(r"Transformer/encoderblock_(\d{1,3})/", name) for name in names) if at}
    depth = names[f"{block}LayerNorm_0/scale"][0] if stacked else len(numbers)
    if depth > _MOST_DEPTH:
        raise ValueError("more blocks than any ViT")
    places = next(shape[-2] for name, shape in names.items() if name.endswith("pos_embedding"))
    token, patch = "cls" in names, names["embedding/kernel"][0]
    bare = token and math.isqrt(places) ** 2 == places  # Big Vision's class token has no position
    side = math.isqrt(places - (token and not bare))
    pooled = {} if token else {"class_token": False, "global_pool": "avg", "fc_norm": False}
    return {
        "img_size": side * patch, "patch_size": patch, "in_chans": names["embedding/kernel"][2],
        "num_classes": names.get("head/bias", (0,))[-1], "embed_dim": width, "depth": depth, "num_heads": heads,
        "mlp_ratio": hidden / width * (1 + 1e-9), "no_embed_class": bare, **pooled,
    }  # fmt: skip


def _filled(model: VisionTransformer, path: Path) -> dict[str, torch.Tensor]:
    """What timm makes of the file; raises CheckpointError where it cannot."""
    try:
        model.to_empty(device="cpu").load_pretrained(str(path))
    except Exception as error:  # whatever a damaged array makes stumble
        raise refused("is a damaged zip of numpy arrays", "download it again") from error
    return {name: value.detach() for name, value in model.state_dict().items()}
