"""The model that a checkpoint file's tensors belong to: found by their names and shapes, checked, and filled with them.

Next door: `load` decides what a name means, `files` looks into the file, `shapes` knows architectures, `named_models`
builds by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from ..types import CheckpointError, ModelInfo, UnsupportedModel, untagged
from . import files
from .bundled import bundled
from .catalogue import bundled_by_shapes
from .files import Listing, hints, left_out, refused, renamed
from .named_models import finish, skeleton, timm_family
from .shapes import Architecture, architecture, check_heard, checked, exact, parted

_CHANCE = 0.01  # share of weights; of trained ones a few in a million are zero
_MOST_BUFFERS = 1024**3  # bytes of masks and indices that follow from a file's window and input size


def load_listing(found: Listing, wanted: str) -> tuple[nn.Module, ModelInfo]:
    """The model of what a file holds, in float32; `wanted`: see `shapes.parted`. Raises UnsupportedModel or
    CheckpointError where there is none, or only the user can say which."""
    names = renamed(found.shapes)
    shapes = {new: found.shapes[old] for new, old in names.items()}
    wanted, said = parted(wanted)
    if wanted and bundled(wanted) is None:
        wanted = untagged(wanted)
        timm_family(wanted)
    own = wanted if bundled(wanted) else bundled_by_shapes().get(exact(shapes), "") if not wanted else ""
    told = {**files.settings(found.shapes), **found.told, **said}
    made = Architecture(own) if own else architecture(shapes, hints(found.shapes), wanted, told)
    check_heard(said, made)
    model, info = checked_skeleton(made.name, made.settings)
    _check_shapes(made.name, shapes, {key: tuple(value.shape) for key, value in model.state_dict().items()})
    if made.question:  # asked last: what keeps the file from fitting anything is no question
        raise UnsupportedModel(made.question)
    state = {}
    for new, old in names.items():
        if old not in found.floats:
            raise refused(f"holds '{new[:80]}' as something else than floating-point numbers")
        state[new] = found.read(old).detach().to(torch.float32, copy=True).contiguous()
    check_finite(state)
    model.load_state_dict(state, assign=True)
    compute_buffers(model)
    notes = (*found.notes, *left_out(found.shapes), *made.notes, *_entering(info, made))
    info = replace(info, weights="trained", architecture=made.name, settings=dict(made.settings), notes=notes)
    return finish(model.requires_grad_(), replace(info, zeroed=_pruned(state)))


def _entering(info: ModelInfo, made: Architecture) -> tuple[str, ...]:
    """A sentence on how images enter, where nobody said it."""
    if info.data is not None or {"mean", "std"} <= set(made.settings):
        return ()
    mean, std = (", ".join(f"{number:.3g}" for number in numbers) for numbers in (info.mean, info.std))
    grey = "made grey and " if info.channels == 1 else ""
    return (
        f"Images are {grey}normalised by mean {mean} and standard deviation {std}, as is usual for {info.name}: no "
        "weight tells them, and others cost accuracy (FILE@?mean=0.5&std=0.5).",
    )


def _pruned(state: Mapping[str, torch.Tensor]) -> bool:
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


def _check_shapes(name: str, found: Mapping[str, tuple], needed: Mapping[str, tuple]) -> None:
    """Raise CheckpointError at the first tensor that is missing, left over or of another shape."""
    for key in [*needed, *found]:
        if found.get(key) != needed.get(key):
            has, needs = (str(list(shapes[key])) if key in shapes else "none" for shapes in (found, needed))
            raise CheckpointError(
                f"This checkpoint file does not hold the weights of '{name}' (of {key[:80]} it has {has}, the model "
                f"needs {needs}); name another architecture (FILE@ARCHITECTURE), or save the whole state dict."
            )


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
