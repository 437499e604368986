"""Models that have a name: bundled ones, published architectures, and what timm builds of Swin, SwinV2, DeiT and ViT.

Next door: `load` also opens directories and files, `hub` fetches pretrained weights, `training` made the bundled
ones.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import timm
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from ..anatomy import build_anatomy
from ..cut import block_sizes, derived, fold, linearise, place_mixers, resize
from ..data import load_data
from ..types import (
    ASSETS,
    Anatomy,
    CheckpointError,
    Family,
    Mixer,
    ModelInfo,
    UnsupportedModel,
    timm_name,
    untagged,
)
from .bundled import BUNDLED, BundledModel, bundled
from .hub import pretrained
from .presets import Preset, presets
from .shapes import checked

HALF = (0.5, 0.5, 0.5)


# timm source modules whose models have the anatomy of a Swin or a DeiT/ViT.
FAMILIES: dict[str, Family] = {
    "timm.models.swin_transformer": "swin",
    "timm.models.swin_transformer_v2": "swin",
    "timm.models.deit": "deit",
    "timm.models.vision_transformer": "deit",
}


def load_named(name: str, weights: str = "pretrained", seed: int = 0) -> tuple[nn.Module, ModelInfo]:
    """`models.load_model` for bundled and timm names only."""
    if weights not in ("pretrained", "random"):
        raise UnsupportedModel(f"weights must be 'pretrained' or 'random', not '{weights}'.")
    torch.manual_seed(seed)
    if spec := bundled(name):
        return finish(build(spec), bundled_info(spec, "random")) if weights == "random" else load_bundled(spec)
    if found := presets().get(name):
        dense, info = load_named(found.base, weights, seed)
        return finish(carve(dense, info.family, found), replace(info, name=name, architecture=name))
    name = timm_name(name)
    family = timm_family(name)
    model = timm.create_model(name) if weights == "random" else pretrained(name)
    return finish(model, timm_info(model, name, family, weights))


def build(spec: BundledModel, **overrides: Any) -> nn.Module:
    """The bundled architecture with fresh weights; `overrides` go to timm (e.g. `drop_path_rate` for training)."""
    settings: dict[str, Any] = {"img_size": spec.input_size, "num_classes": spec.classes, **spec.kwargs, **overrides}
    model = timm.create_model(spec.base, **settings)
    return linearise(model, spec.linear_stages) if spec.linear_stages else model


def fingerprint(model: nn.Module) -> str:
    """A hash of all weights, so that results can be cached by content."""
    digest = hashlib.sha256()
    for key, tensor in model.state_dict().items():
        digest.update(key.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy())  # read in place, not copied
    return digest.hexdigest()[:16]


def load_bundled(spec: BundledModel, folder: Path = ASSETS) -> tuple[nn.Module, ModelInfo]:
    """The trained bundled model from `folder`; fp16 on disk, fp32 in memory."""
    path = folder / f"{spec.name}.safetensors"
    if not path.exists():
        raise CheckpointError(f"{path} is missing; make it with 'python -m dimap_core train {spec.name}'.")
    model = build(spec)
    try:
        model.load_state_dict({key: tensor.float() for key, tensor in load_file(path).items()})
    except (OSError, RuntimeError, SafetensorError) as error:
        raise CheckpointError(
            f"{path} is damaged; make it anew with 'python -m dimap_core train {spec.name}'."
        ) from error
    return finish(model, bundled_info(spec, "trained"))


def finish(model: nn.Module, info: ModelInfo) -> tuple[nn.Module, ModelInfo]:
    """The model in evaluation mode, its weights hashed."""
    module: Any
    for module in model.modules():
        if hasattr(module, "qkv_bias_separate"):
            module.qkv_bias_separate = True  # SwinV2: timm then calls the layer itself, and hooks on it are seen
    return model.eval(), replace(info, fingerprint=fingerprint(model))


def bundled_info(spec: BundledModel, weights: Any) -> ModelInfo:
    """What is known of a bundled model, but for the fingerprint."""
    names, data = (spec.names, None) if spec.judged else (_class_names(spec.data), spec.data)
    return ModelInfo(spec.name, spec.family, "bundled", weights, spec.input_size, HALF, HALF, names, "", data)


def timm_info(model: Any, name: str, family: Family, weights: Any) -> ModelInfo:
    """What timm knows of a model, but for the fingerprint. Of grey images it knows no mean and deviation: those of the
    colours are averaged."""
    config = model.pretrained_cfg
    size, grey = config["input_size"][-1], model.in_chans == 1
    mean, std = ((fmean(config[key]),) if grey else tuple(config[key]) for key in ("mean", "std"))
    info = ModelInfo(name, family, "timm", weights, size, mean, std, (), "")
    return replace(info, **{key: config[key] for key in ("crop_pct", "crop_mode", "interpolation") if key in config})


@cache
def _class_names(data: str) -> tuple[str, ...]:
    return load_data(data).class_names


def timm_family(name: str) -> Family:
    """The family of a timm name, with or without tag; raises UnsupportedModel where there is none."""
    bare = untagged(name)
    if not timm.is_model(bare):
        known = [model.name for model in BUNDLED] + [*presets()] + timm.list_models(["swin_*", "deit*", "vit_*"])
        near = difflib.get_close_matches(bare, known, n=1, cutoff=0.6) or ["swin_tiny_patch4_window7_224"]
        raise UnsupportedModel(f"There is no model '{name[:80]}'; did you mean {near[0]}?")
    if "." in name and name not in timm.list_models(f"{bare}.*", pretrained=True):
        raise UnsupportedModel(f"timm has no weights '{name}'; drop what follows the dot to get its default ones.")
    source = timm.model_entrypoint(bare).__module__
    if source not in FAMILIES:
        raise UnsupportedModel(
            f"'{name}' is not a Swin or DeiT (timm builds it from {source.rpartition('.')[2]}); "
            "choose one such as swin_tiny_patch4_window7_224 or deit_small_patch16_224."
        )
    return FAMILIES[source]


def skeleton(name: str, settings: Mapping[str, Any] | None = None) -> tuple[nn.Module, ModelInfo]:
    """The architecture of a bundled, published or timm name, without memory for its parameters; `settings` go to timm,
    the `window_size` as one number a stage, all but `norm_eps` (of every LayerNorm)."""
    if spec := bundled(name):
        return build(spec, device="meta"), bundled_info(spec, "random")
    if found := presets().get(name):
        model, info = skeleton(found.base, settings)
        carve_empty(model, info.family, found)
        return model, replace(info, name=name, architecture=name)
    name = timm_name(name)
    family = timm_family(name)
    sizes = dict(settings or {})
    eps = sizes.pop("norm_eps", None)
    if windows := sizes.get("window_size"):
        sizes["window_size"] = tuple((side, side) for side in windows)
    model = timm.create_model(name, device="meta", **sizes)
    for module in model.modules():
        if eps is not None and isinstance(module, nn.LayerNorm):
            module.eps = eps
    info = timm_info(model, name, family, "random")
    side = int(sizes.get("img_size", info.input_size))
    return model, replace(info, input_size=side, architecture=name, settings=dict(settings or {}))


def checked_skeleton(name: str, settings: Mapping[str, Any]) -> tuple[nn.Module, ModelInfo]:
    """`skeleton` for what a file or card says, checked first."""
    sizes = checked(settings)
    try:
        return skeleton(name, sizes)
    except (AssertionError, RuntimeError, TypeError, ValueError, ZeroDivisionError) as error:
        raise UnsupportedModel(
            f"timm cannot build '{name[:80]}' in the sizes of this checkpoint ({type(error).__name__}); name another "
            "architecture (FILE@ARCHITECTURE)."
        ) from error


def carve(model: nn.Module, family: Family, preset: Preset) -> nn.Module:
    """A published architecture in its deployed form, from a dense model's weights."""
    anatomy = build_anatomy(model, family)
    hidden = {name: np.arange(units) for name, (_, units) in _by_block(anatomy, preset).items()}
    return fold(derived(model, anatomy, _placed(anatomy, preset), hidden)).eval()


def carve_empty(model: Any, family: Family, preset: Preset) -> None:
    """Give a model without memory the form of a published architecture, in place."""
    anatomy = build_anatomy(model, family)
    place_mixers(model, _placed(anatomy, preset))
    sizes = {name: block_sizes(model.get_submodule(name)) for name in _by_block(anatomy, preset)}
    resize(model, {name: sizes[name]._replace(hidden=units) for name, (_, units) in _by_block(anatomy, preset).items()})


def _by_block(anatomy: Anatomy, preset: Preset) -> dict[str, tuple[Mixer, int]]:
    return {block.name: slot for block, slot in zip(anatomy.blocks, preset.blocks, strict=True)}


def _placed(anatomy: Anatomy, preset: Preset) -> dict[str, Mixer]:
    """By block name what takes the place of attention."""
    return {name: mixer for name, (mixer, _) in _by_block(anatomy, preset).items() if mixer != "softmax"}
