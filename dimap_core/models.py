"""Where models come from: bundled name | timm name | directory that `prune` wrote -> (nn.Module, ModelInfo).

Nothing else knows. Next door: `anatomy` looks inside a model, `checkpoints` reads and writes files, `training` makes
the bundled weights.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import Any

import timm
import torch
from huggingface_hub import constants
from huggingface_hub.utils import get_session
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from . import checkpoints
from .bundled import ASSETS, BUNDLED, BundledModel, bundled
from .cut.slicing import BlockSizes, block_sizes, is_block, resize
from .data import load_data
from .errors import CheckpointError, Offline, UnsupportedModel
from .types import KINDS, Family, ModelInfo

HALF = (0.5, 0.5, 0.5)


# timm source modules whose models have the anatomy of a Swin or a DeiT/ViT.
_FAMILIES: dict[str, Family] = {
    "timm.models.swin_transformer": "swin",
    "timm.models.deit": "deit",
    "timm.models.vision_transformer": "deit",
}


def load_model(name: str, weights: str = "pretrained", seed: int = 0) -> tuple[nn.Module, ModelInfo]:
    """Build a model in evaluation mode.

    Args:
        name: a bundled name, a timm name or a directory that `prune` wrote.
        weights: "pretrained" (bundled models: as trained) or "random" (seeded, for counts only).

    Raises:
        UnsupportedModel: unknown name, or a family other than Swin and DeiT/ViT.
        Offline: pretrained weights are neither cached nor reachable.
        CheckpointError: a directory or asset cannot be read.
    """
    return _load_directory(Path(name)) if _is_directory(name) else load_named(name, weights, seed)


def load_named(name: str, weights: str = "pretrained", seed: int = 0) -> tuple[nn.Module, ModelInfo]:
    """`load_model` for bundled and timm names only: what a browser may ask for."""
    if weights not in ("pretrained", "random"):
        raise UnsupportedModel(f"weights must be 'pretrained' or 'random', not '{weights}'.")
    torch.manual_seed(seed)
    if spec := bundled(name):
        return _finish(build(spec), _bundled_info(spec, "random")) if weights == "random" else load_bundled(spec)
    name = name.removeprefix("timm/")
    family = _timm_family(name)
    model = timm.create_model(name) if weights == "random" else _pretrained(name)
    return _finish(model, _timm_info(model, name, family, weights))


def _is_directory(name: str) -> bool:
    try:
        return bool(name) and bundled(name) is None and Path(name).is_dir()
    except (OSError, ValueError):  # longer than a path can be, or with a null byte
        return False


def build(spec: BundledModel, **overrides: Any) -> nn.Module:
    """The bundled architecture with fresh weights; `overrides` go to timm (e.g. `drop_path_rate` for training)."""
    settings: dict[str, Any] = {"img_size": spec.input_size, "num_classes": spec.classes, **spec.kwargs, **overrides}
    return timm.create_model(spec.base, **settings)


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
    return _finish(model, _bundled_info(spec, "trained"))


def _finish(model: nn.Module, info: ModelInfo) -> tuple[nn.Module, ModelInfo]:
    """The model in evaluation mode, its weights hashed."""
    return model.eval(), replace(info, fingerprint=fingerprint(model))


def _bundled_info(spec: BundledModel, weights: Any) -> ModelInfo:
    return ModelInfo(
        spec.name, spec.family, "bundled", weights, spec.input_size, HALF, HALF, _class_names(spec.data), "", spec.data
    )


def _timm_info(model: Any, name: str, family: Family, weights: Any) -> ModelInfo:
    config = model.pretrained_cfg
    size = config["input_size"][-1]
    return ModelInfo(name, family, "timm", weights, size, tuple(config["mean"]), tuple(config["std"]), (), "")


@cache
def _class_names(data: str) -> tuple[str, ...]:
    return load_data(data).class_names


def _load_directory(path: Path) -> tuple[nn.Module, ModelInfo]:
    """A masked or sliced model from its checkpoint alone: no pickle, no original weights, the same outputs bit by
    bit."""
    tensors, card = checkpoints.read(path)
    model, info = skeleton(card["model"])
    resize(model, _kept(path, card, model))
    _check_tensors(path, info.name, tensors, model.state_dict())
    model.load_state_dict(tensors, assign=True)
    _compute_buffers(model)
    return _finish(model, replace(info, source="directory", weights=card["weights"]))


def skeleton(name: str) -> tuple[nn.Module, ModelInfo]:
    """The architecture of a bundled or timm name, without memory for its parameters."""
    if spec := bundled(name):
        return build(spec, device="meta"), _bundled_info(spec, "random")
    name = name.removeprefix("timm/")
    family = _timm_family(name)
    model = timm.create_model(name, device="meta")
    return model, _timm_info(model, name, family, "random")


def _compute_buffers(model: nn.Module) -> None:
    """Give memory and values to the buffers that a state dict doesn't hold: they follow from sizes."""
    for module in model.modules():
        for name, buffer in module.named_buffers(recurse=False):
            if buffer.is_meta:
                module.register_buffer(name, torch.empty_like(buffer, device="cpu"), persistent=False)
        if compute := getattr(module, "init_non_persistent_buffers", None):
            compute()


def _kept(path: Path, card: Mapping[str, Any], model: nn.Module) -> dict[str, BlockSizes]:
    """The block sizes that a card lists; raises CheckpointError where the model cannot have them."""
    blocks = {name: block_sizes(module) for name, module in model.named_modules() if is_block(module)}
    kept = card.get("kept", {})
    sizes = {}
    for name, listed in kept.items() if isinstance(kept, dict) else [("kept", None)]:
        wanted: list[Any] = [listed.get(kind) for kind in KINDS] if isinstance(listed, dict) else []
        if name not in blocks or not all(
            type(size) is int and 1 <= size <= most for size, most in zip_longest(wanted, blocks[name], fillvalue=0)
        ):
            raise CheckpointError(
                f"'{path / checkpoints.CARD}' lists sizes that '{card['model']}' cannot have ({name}); "
                "prune that model again."
            )
        sizes[name] = BlockSizes(*wanted)
    return sizes


def _check_tensors(
    path: Path, name: str, found: Mapping[str, torch.Tensor], needed: Mapping[str, torch.Tensor]
) -> None:
    """Raise CheckpointError at the first tensor that is missing, left over or of another shape or type."""

    def told(tensors: Mapping[str, torch.Tensor], key: str) -> str:
        return f"{tensors[key].dtype} {list(tensors[key].shape)}".removeprefix("torch.") if key in tensors else "none"

    for key in [*needed, *found]:
        if told(found, key) != told(needed, key):
            raise CheckpointError(
                f"'{path}' does not hold the weights of '{name}' (of {key} the file has {told(found, key)}, the model "
                f"needs {told(needed, key)}); prune that model again."
            )


def _timm_family(name: str) -> Family:
    bare = name.split(".")[0]
    if not timm.is_model(bare):
        known = [model.name for model in BUNDLED] + timm.list_models(["swin_*", "deit*", "vit_*"])
        near = difflib.get_close_matches(bare, known, n=1, cutoff=0.6) or ["swin_tiny_patch4_window7_224"]
        raise UnsupportedModel(f"There is no model '{name[:80]}'; did you mean {near[0]}?")
    if "." in name and name not in timm.list_models(f"{bare}.*", pretrained=True):
        raise UnsupportedModel(f"timm has no weights '{name}'; drop what follows the dot to get its default ones.")
    source = timm.model_entrypoint(bare).__module__
    if source not in _FAMILIES:
        raise UnsupportedModel(
            f"'{name}' is not a Swin or DeiT (timm builds it from {source.rpartition('.')[2]}); "
            "choose one such as swin_tiny_patch4_window7_224 or deit_small_patch16_224."
        )
    return _FAMILIES[source]


def _pretrained(name: str) -> nn.Module:
    """timm's pretrained model, from the hub or its local cache."""
    if not _has_weights(name):
        raise UnsupportedModel(f"timm has no pretrained weights for '{name}'; use random ones for counts only.")
    try:
        with _offline_unless_reachable():
            return timm.create_model(name, pretrained=True)
    except Exception as error:  # the hub client raises its HTTP library's errors, whichever that is
        raise Offline(
            f"Pretrained weights of '{name}' are not cached and no model hub was reached; connect to the internet "
            "once, or use random weights (--weights random) for counts only."
        ) from error


def _has_weights(name: str) -> bool:
    config = timm.get_pretrained_cfg(name)
    return bool(config and config.has_weights)


@contextmanager
def _offline_unless_reachable() -> Iterator[None]:
    """Without a network the hub client retries for most of a minute; ask once, then let it look in its cache only."""
    try:
        get_session().head(constants.ENDPOINT, timeout=5)
        reachable = True
    except Exception:  # any failure of the HTTP library means the same here
        reachable = False
    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or not reachable
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
