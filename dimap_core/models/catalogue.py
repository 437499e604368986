"""The catalogue: what timm has of Swin, SwinV2, DeiT and ViT that this project can take apart. No torch: the app reads
it for its picker, `models.shapes` to recognise files.

`assets/catalogue.json` is made by `python -m dimap_core.models.make_catalogue` from the installed timm; a test keeps
the two in step. timm's wheel holds no accuracies, so there are none here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cache

from ..types import ASSETS, Family, untagged
from .bundled import BUNDLED
from .shapes import Build

PATH = ASSETS / "catalogue.json"
_SETS = {
    "in1k": "ImageNet-1k", "in12k": "ImageNet-12k", "in21k": "ImageNet-21k", "in22k": "ImageNet-22k",
    "laion2b": "LAION-2B", "laion400m": "LAION-400M", "openai": "OpenAI's WIT-400M", "webli": "WebLI",
    "lvd142m": "LVD-142M", "datacompxl": "DataComp-XL", "dfn2b": "DFN-2B", "dfn5b": "DFN-5B", "yfcc15m": "YFCC-15M",
    "metaclip": "MetaCLIP",
}  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """One set of pretrained weights: `name` as timm takes it (architecture.tag), `input_size` in pixels, `params` with
    its head, `classes` of the head (0: it has none), `licence` where timm names one."""

    name: str
    family: Family
    input_size: int
    params: int
    classes: int
    licence: str

    @property
    def architecture(self) -> str:
        """timm's name without the tag."""
        return untagged(self.name)

    @property
    def label(self) -> str:
        """ "swin_tiny_patch4_window7_224 · ms_in1k · 28.3 M"."""
        architecture, _, tag = self.name.partition(".")
        return f"{architecture} · {tag} · {self.params / 1e6:.3g} M"

    @property
    def facts(self) -> str:
        """What else is known, for one line on screen."""
        sets = [_SETS[part] for part in self.name.partition(".")[2].split("_") if part in _SETS]
        trained = f"pretrained on {', then '.join(dict.fromkeys(sets))}" if sets else ""
        head = f"{self.classes:,} classes" if self.classes else "no classifier: counts and weights only"
        licence = f"licence {self.licence}" if self.licence else "no licence named"
        return " · ".join(part for part in (f"{self.input_size} px", head, trained, licence) if part)


@cache
def entries() -> tuple[Entry, ...]:
    """Every set of weights whose model can be taken apart, small families first."""
    return tuple(Entry(*row) for row in _content()["models"])


@cache
def entries_by_name() -> dict[str, Entry]:
    """Entries by name."""
    return {entry.name: entry for entry in entries()}


@cache
def builds() -> tuple[Build, ...]:
    """Every architecture that can be taken apart."""
    return tuple(replace(Build(*row), windows=tuple(row[-1])) for row in _content()["architectures"])


@cache
def bundled_by_shapes() -> dict[str, str]:
    """Bundled names by the hash of all their names and shapes (`shapes.exact`)."""
    return _content()["bundled"]


def refused() -> dict[str, str]:
    """Why the architectures that are left out cannot be taken apart, by name."""
    return _content()["refused"]


def architectures() -> tuple[str, ...]:
    """Names that `FILE@NAME` takes: bundled ones, then timm's."""
    return (*(spec.name for spec in BUNDLED), *(build.name for build in builds()))


@cache
def _content() -> dict:
    return json.loads(PATH.read_text(encoding="utf-8"))
