"""Takes a model back to where it came from: the layout, form and types of the file that it was made from.

That file is read again: its card names it, and nothing else knows its names. Next door: `like` writes,
`models.files` knows layouts, `models.saving` writes this project's own format, which alone can hold a smaller model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from ...types import CheckpointError, ModelInfo, ModelName, Shape, UnsupportedModel, listed
from .. import files, hub
from ..load import load_model
from .like import write_like


@dataclass(frozen=True)
class Returned:
    """What was written: `layout`, whose names it has, `types` of its tensors, `left_out`, what the file held beside its
    state dict, and `untouched`, names of tensors that are no part of timm's model and as they were."""

    layout: str
    types: tuple[str, ...]
    left_out: tuple[str, ...]
    untouched: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """All of it for whoever is to load the file."""
        told = f"Written in {self.layout} names, as {' and '.join(self.types)}"
        if self.untouched:
            told += f"; {listed(self.untouched)} as before, being no part of this model"
        return told + (f"; left out: {listed(self.left_out)}." if self.left_out else ".")


def write_source(model: nn.Module, info: ModelInfo, out: Path, place: str = "") -> Returned:
    """Write a masked, repaired or trained `model` of unchanged shapes to `out`, a file or a folder as its source was.

    `place`: what opens its source; default: what `info` says.

    Raises:
        UnsupportedModel: the model was made smaller, or from no file.
        CheckpointError: the source is gone or has changed, its types cannot hold a value, `out` cannot be written.
    """
    source = _source(info, place or info.dense.get("file", ""))
    state = {name: value.detach().cpu() for name, value in model.state_dict().items()}
    with files.as_it_is(source) as found:
        packed = files.one_net(files.packed(found))
        names = files.renamed(packed.shapes)
        _check_shapes(info, state, {new: packed.shapes[old] for new, old in names.items()})
        new = files.sources_of(found, {old: state[name] for name, old in names.items()})
        tensors = {name: _as_it_came(name, found.read(name), new.get(name)) for name in found.shapes}
        layout, floats = files.label(packed.shapes), found.floats
    left = write_like(source, tensors, out)
    types = {str(tensors[name].dtype).removeprefix("torch.") for name in floats}
    return Returned(layout, tuple(sorted(types)), left, tuple(name for name in tensors if name not in new))


def _source(info: ModelInfo, place: str) -> Path:
    """Where the file or folder lies that a model was made from, once it is sure that it is still the same."""
    name = ModelName.parse(place, files.is_foreign)
    path = Path(name.what) if files.is_foreign(name.what) else hub.folder_of(name.what) if name.repository else None
    if not place:
        raise UnsupportedModel(
            f"'{info.name}' was made from no file that is known here, so there is no layout to go back to; the "
            "directory that 'prune --out' writes has timm's own names."
        )
    if path is None:
        raise CheckpointError(
            f"The file that this model was made from is no longer there ('{name.what}'), and nothing else has its "
            "names; put it back, or use the directory that 'prune --out' wrote: load_pruned.py in it needs timm alone."
        )
    if files.is_own_zip(path):
        raise UnsupportedModel(
            "This model came as this project's own zip, and the checkpoint file has that format already; to go back "
            "further, export it where the file lies that it was made from."
        )
    if not path.is_dir() and files.is_npz(path):
        raise UnsupportedModel(
            f"'{path}' is a zip of numpy arrays, which is only read here; use the directory that 'prune --out' wrote, "
            "which has timm's own names."
        )
    if load_model(place)[1].fingerprint != info.dense.get("fingerprint"):
        raise CheckpointError(f"'{path}' has changed since this model was made from it; prune it again.")
    return path


def _check_shapes(info: ModelInfo, state: Mapping[str, torch.Tensor], source: Mapping[str, Shape]) -> None:
    """Raise UnsupportedModel unless a model has the shapes of its source."""
    shapes = {name: tuple(value.shape) for name, value in state.items()}
    changed = [name for name in {**source, **shapes} if shapes.get(name) != source.get(name)]
    if changed:
        raise UnsupportedModel(
            f"'{info.name}' was made smaller ({changed[0][:80]}), which only this project's own format can hold; use "
            "the directory that 'prune --out' wrote: load_pruned.py in it needs timm alone."
        )


def _as_it_came(name: str, old: torch.Tensor, new: torch.Tensor | None) -> torch.Tensor:
    """A tensor of the source's type; bit by bit the old value wherever it is read as the new one."""
    if new is None:
        return old.clone()
    made = torch.where(new == old.float(), old, new.to(old.dtype)).reshape(old.shape).contiguous()
    if not made.isfinite().all():
        raise CheckpointError(
            f"'{name[:80]}' has values that {str(old.dtype).removeprefix('torch.')}, the type of its source, cannot "
            "hold; save the source in float32 and prune that."
        )
    return made
