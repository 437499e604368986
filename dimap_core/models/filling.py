"""Whether the tensors of a file are those of the model that they are to fill, and what is known of them then.

Next door: `load` builds the model and fills it, `files` looks into the file, `shapes` knows architectures.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from ..types import CheckpointError, ModelInfo
from .files import refused
from .shapes import Architecture

_CHANCE = 0.01  # share of weights; of trained ones a few in a million are zero
_MOST_BUFFERS = 1024**3  # bytes of masks and indices that follow from a file's window and input size


def entering(info: ModelInfo, made: Architecture) -> tuple[str, ...]:
    """A sentence on how images enter, where nobody said it."""
    if info.data is not None or {"mean", "std"} <= set(made.settings):
        return ()
    mean, std = (", ".join(f"{number:.3g}" for number in numbers) for numbers in (info.mean, info.std))
    grey = "made grey and " if info.channels == 1 else ""
    return (
        f"Images are {grey}normalised by mean {mean} and standard deviation {std}, as is usual for {info.name}: no "
        "weight tells them, and others cost accuracy (FILE@?mean=0.5&std=0.5).",
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
