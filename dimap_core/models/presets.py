"""Published architectures that open by a name of their own, like any model: what SPViT found. No torch.

arXiv 2111.11802, the shipped configurations and indicator files, as `assets/published/spvit.json` holds them. Which
hidden units were kept is known only as a number, so the first ones are kept; kernels come from the dense weights. That
makes a start for training: counts are exact, accuracy means nothing before.
Next door: `published` reads the file, `named_models` builds and opens the models.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from ..types import Mixer, timm_name
from .published import publication

NOTE = (
    "SPViT's published architecture. Counts are exact; kernels are made from the dense model's values and projections, "
    "and of its hidden units the first are kept, so accuracy means nothing before training."
)
_MIXERS: dict[str, Mixer] = {"msa": "softmax", "conv1x1": "conv1", "conv3x3": "conv3", "skip": "skip"}


@dataclass(frozen=True)
class Preset:
    """A published architecture: its `name` here, what the paper calls it, the timm model it was cut from, and by block
    what mixes tokens and how many hidden units there are."""

    name: str
    published: str
    base: str
    blocks: tuple[tuple[Mixer, int], ...]


@cache
def presets() -> dict[str, Preset]:
    """All of them by name."""
    content = publication("spvit").content
    found = {}
    for published, architecture in content["architectures"].items():
        if published not in content["accuracy"]:
            continue  # found with a faulty batch norm and withdrawn, by the README
        name = published.lower().replace(" (", "-").rstrip(")")
        blocks = tuple((_MIXERS[slot], hidden) for slot, hidden in architecture["blocks"])
        found[name] = Preset(name, published, content["models"][architecture["dense"]], blocks)
    return found


def base_of(name: str) -> str:
    """The timm model whose weights a name needs: a preset's own, else the name's."""
    found = presets().get(name)
    return found.base if found else timm_name(name)
