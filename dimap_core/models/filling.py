"""Whether the tensors of a file are those of the model that they are to fill, and what is known of them then.

Next door: `load` builds the model and fills it, `files` looks into the file, `shapes` knows architectures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from ..types import CheckpointError, ModelInfo, shown
from .files import Listing, label, refused, settings
from .shapes import GUESS, with_pictures

_LONGEST = 200  # signs of a class's name
_CHANCE = 0.01  # share of weights; of trained ones a few in a million are zero
_MOST_BUFFERS = 1024**3  # bytes of masks and indices that follow from a file's window and input size


def learned(info: ModelInfo, found: Listing, said: Mapping[str, Any], treated: Mapping[str, Any]) -> ModelInfo:
    """What is known of a file's model, with whose layout it has, how pictures are treated, and where that and the input
    size were learned. `said`, `treated`: what the user says of sizes and of pictures."""
    layout = label(found.shapes)
    size = "as you say" if "img_size" in said else "its config" if "img_size" in found.told else ""
    info = replace(info, layout=layout, learned={"img_size": size} if size else {})
    sources = ("as you say", treated), ("its config", found.told), (f"as in {layout}", settings(found.shapes))
    return with_pictures(info, *sources)


def naming(model: Any, info: ModelInfo, names: Any) -> ModelInfo:
    """What is known of a model, with the names of its outputs, if `names` are that."""
    fits = isinstance(names, list | tuple) and len(names) == model.num_classes
    return replace(info, class_names=tuple(shown(str(name))[:_LONGEST] for name in names)) if fits else info


def grey(info: ModelInfo) -> tuple[str, ...]:
    """A sentence on how grey images are normalised, where nobody said it."""
    if info.channels > 1 or not info.learned["mean"].endswith(GUESS):
        return ()
    return (
        f"Images are made grey and normalised by mean {info.mean[0]:.3f} and standard deviation {info.std[0]:.3f}, the "
        "means of those usual for colours, since no weight tells them.",
    )


def pruned(state: Mapping[str, torch.Tensor]) -> bool:
    """Whether so many of the blocks' weights are zero that someone cut them: no card comes with a bare file."""
    weights = [value for name, value in state.items() if "blocks." in name and value.ndim == 2]
    zeros = sum(value.numel() - int(value.count_nonzero()) for value in weights)
    return zeros > _CHANCE * sum(value.numel() for value in weights)


def check_finite(state: Mapping[str, torch.Tensor]) -> None:
    """Raise CheckpointError at the first tensor with a value that is no number."""
    for name, value in state.items():
        if not value.isfinite().all():
            raise refused(
                f"holds values that are not finite ('{name[:80]}')", "save it from a run that did not diverge"
            )


def check_shapes(name: str, found: Mapping[str, tuple], needed: Mapping[str, tuple]) -> None:
    """Raise CheckpointError at the first tensor that is missing, left over or of another shape."""
    for key in [*needed, *found]:
        if found.get(key) != needed.get(key):
            has, needs = (str(list(shapes[key])) if key in shapes else "none" for shapes in (found, needed))
            raise CheckpointError(
                f"This checkpoint file does not hold the weights of '{name}' (of {key[:80]} it has {has}, the model "
                f"needs {needs}); name another architecture (FILE@ARCHITECTURE), or save the whole state dict."
            )


def compute_buffers(model: nn.Module) -> None:
    """Give memory and values to the buffers that a state dict doesn't hold: they follow from sizes."""
    if sum(buffer.nbytes for buffer in model.buffers() if buffer.is_meta) > _MOST_BUFFERS:
        raise CheckpointError("The windows of this checkpoint are too large to be used; choose another.")
    for module in model.modules():
        for name, buffer in module.named_buffers(recurse=False):
            if buffer.is_meta:
                module.register_buffer(name, torch.empty_like(buffer, device="cpu"), persistent=False)
        if compute := getattr(module, "init_non_persistent_buffers", None):
            compute()
