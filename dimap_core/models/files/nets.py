"""One net of those that a file's names hold: pretraining keeps a Swin or ViT under a prefix beside a decoder, and
self-distillation keeps two of them.

Next door: `state` has chosen between dicts before, `layouts` says what the names of the one net mean.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import replace

from ...types import Shape, listed
from .layouts import renamed
from .listing import Listing, adapters
from .state import AVERAGED

_STEM = (
    r"((?:.+?\.)?)(?:patch_embed\.proj(?:ection)?|embeddings\.patch_embeddings\.projection|conv_proj|features\.0\.0)"
    r"\.weight"
)
_ADAPTERS = r"\b(?:lora_(?:A|B|embedding_A|embedding_B|magnitude_vector)|hada_w1_a|lokr_w1|vera_lambda_b)\b"
_MOST = 8  # nets in a file
_FIRST = ("layers.0.blocks.0.attn.qkv.weight", "blocks.0.attn.qkv.weight")  # of a Swin, of a ViT
_TRAINED = r"base_encoder|encoder_q|online.*|student.*"
_COPIES = r"momentum.*|target.*|encoder_k"


def one_net(found: Listing) -> Listing:
    """What belongs to one Swin or ViT of a file, with a note on the rest; the same where nothing else is there. Raises
    CheckpointError for adapters, which are no model's weights."""
    if any(re.search(_ADAPTERS, name) for name in found.shapes):
        raise adapters()
    roots = {at[1] for at in (re.fullmatch(_STEM, name) for name in found.shapes) if at}
    if not 0 < len(roots) <= _MOST:
        return found
    owners = {name: _owner(name, roots) for name in found.shapes}
    chosen = _chosen(roots, owners, found.shapes)
    kept = {name for name, owner in owners.items() if owner == chosen or owner not in roots}
    if not _is_known(kept):
        kept = {name for name, owner in owners.items() if owner == chosen}
    if len(kept) == len(owners):
        return found
    rest = [name for name in owners if name not in kept]
    taken = f"'{chosen.removesuffix('.')[:60]}'" if chosen else "The net without a prefix"
    note = f"{taken} was taken of this file, not {listed(rest)}."
    shapes = {name: shape for name, shape in found.shapes.items() if name in kept}
    return replace(found, shapes=shapes, floats=found.floats & kept, notes=(*found.notes, note))


def _owner(name: str, roots: Collection[str]) -> str:
    return max((root for root in roots if name.startswith(root)), key=len, default="")


def _is_known(names: Collection[str]) -> bool:
    return any(name in _FIRST for name in renamed(names))


def _chosen(roots: Collection[str], owners: Mapping[str, str], shapes: Mapping[str, Shape]) -> str:
    """The prefix of the net to take: averaged weights first, as in `state`. A teacher like its student is the student's
    average (DINO); another one is a model to learn from."""
    blocks: dict[str, list[Shape]] = {root: [] for root in roots}
    for name, owner in owners.items():
        if owner in blocks and re.search(r"\.\d+\.", name):
            blocks[owner].append(shapes[name])
    alike = len({repr(sorted(found)) for found in blocks.values()}) == 1
    order = (AVERAGED, "teacher.*", _TRAINED) if alike else (_TRAINED,)

    def rank(root: str) -> tuple[int, int, str]:
        parts = root.split(".")
        usual = len(order) + (1 if any(re.fullmatch(rf"{_COPIES}|teacher.*", part) for part in parts) else 0)
        ranks = (place for place, pattern in enumerate(order) if any(re.fullmatch(pattern, part) for part in parts))
        return next(ranks, usual), len(root), root

    return min(roots, key=rank)
