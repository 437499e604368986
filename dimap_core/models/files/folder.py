"""Folders as Hugging Face's hub keeps models: config.json beside the weights, which may lie in several files. The
config tells what no shape does: heads, a Swin's input size, what the outputs are called.

Next door: `opening` looks into each file, `zips` knows this project's own folders.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from ...types import UnsupportedModel, is_file
from ..checkpoints import CARD
from ..shapes import beside
from .listing import MOST_TEXT, adapters, refused

CONFIGS = CONFIG, _PROCESSOR = "config.json", "preprocessor_config.json"
_ADAPTER = "adapter_config.json"
_INDICES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_MOST_FILES = 1000
_TOLD = {
    "num_attention_heads": "num_heads", "image_size": "img_size", "layer_norm_eps": "norm_eps",
    "window_size": "window_size",
}  # fmt: skip


def is_foreign(path: str) -> bool:
    """Whether a file stands there, or a folder that is one of transformers' models (or peft's) and none of this
    project's."""
    held = any(is_file(f"{path}/{name}") for name in (CONFIG, _ADAPTER))
    return is_file(path) or (held and not is_file(f"{path}/{CARD}"))


def weight_files(folder: Path) -> list[Path]:
    """The files that hold the weights: those that an index lists, or the one of the usual name."""
    for name in _INDICES:
        if (folder / name).is_file():
            listed = _json(folder / name).get("weight_map")
            names = {*map(str, listed.values())} if isinstance(listed, dict) else set[str]()
            if not 0 < len(names) <= _MOST_FILES or any(Path(part).name != part for part in names):
                raise refused(f"lists other files than its own folder's ('{name}')", "download it again")
            return [folder / part for part in sorted(names)]
    found = [folder / name for name in _WEIGHTS if (folder / name).is_file()][:1]
    if not found and (folder / _ADAPTER).is_file():
        raise adapters()
    if not found:
        raise refused(f"is a folder without {' or '.join(_WEIGHTS)}", "download it again")
    return found


def among(listed: Collection[str]) -> list[str]:
    """Of the files that a repository lists, those that `weight_files` will name in its folder, with their index."""
    for index in _INDICES:
        if index in listed:
            name, _, ending = index.removesuffix(".index.json").rpartition(".")
            part = re.compile(rf"{name}-\d+-of-\d+\.{ending}")
            return [index, *sorted(file for file in listed if part.fullmatch(file))]
    return [name for name in _WEIGHTS if name in listed][:1]


def model_type(folder: Path) -> str:
    """What transformers calls the kind of a folder's model; "" where its config says nothing of it."""
    return str(_json(folder / CONFIG).get("model_type") or "")


def told(folder: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    """(settings and how pictures are treated, names of the outputs) by the folder's configs; raises
    UnsupportedModel for an activation that timm's models of these families do not have."""
    config = _json(folder / CONFIG)
    if (activation := str(config.get("hidden_act", "gelu"))) != "gelu":
        raise UnsupportedModel(f"This model's activation is '{activation[:40]}', not 'gelu'; choose another model.")
    settings = {ours: config[theirs] for theirs, ours in _TOLD.items() if type(config.get(theirs)) in (int, float)}
    processor = _json(folder / _PROCESSOR) if is_file(f"{folder}/{_PROCESSOR}") else {}
    settings |= beside(config, processor)
    settings["architecture"] = config.get("architecture")  # timm's folders on the hub
    return settings, _names(config.get("id2label"))


def _names(labels: Any) -> tuple[str, ...]:
    """The outputs' names in order; nothing where they are not numbered from 0, or only numbered."""
    named = labels if isinstance(labels, dict) else {}
    names = tuple(str(named[key]) for key in map(str, range(len(named))) if key in named)
    numbered = all(re.fullmatch(r"LABEL_\d+", name) for name in names)
    return () if numbered or len(names) < len(named) else names


def _json(path: Path) -> Mapping[str, Any]:
    try:
        if path.stat().st_size > MOST_TEXT:
            raise refused(f"has a {path.name} of {path.stat().st_size:,} bytes", "download it again")
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise refused(f"has a damaged {path.name}", "download it again") from error
    return content if isinstance(content, dict) else {}
