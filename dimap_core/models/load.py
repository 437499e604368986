"""Where models come from: bundled name | timm name | hub repository | directory that `prune` wrote | checkpoint file.

Nothing else knows. Next door: `named_models` builds by name, `files` looks into a file before anything of it is loaded,
`shapes` knows what that is, `filling` compares the two, `directory` opens this project's own format.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..data import Download
from ..types import CheckpointError, ModelInfo, ModelName, UnsupportedModel, drain, is_folder, untagged
from . import checkpoints, files, hub
from .bundled import bundled
from .catalogue import bundled_by_shapes
from .directory import fill, shape
from .files import Listing, hints, left_out, refused, renamed
from .filling import check_finite, check_shapes, compute_buffers, grey, learned, naming, pruned
from .named_models import checked_skeleton, finish, load_named, timm_family
from .presets import base_of
from .shapes import Architecture, architecture, check_heard, exact, on_card, parted, with_pictures, written

_NEWS = 0.25  # seconds


def load_model(
    name: str, weights: str = "pretrained", seed: int = 0, named_only: bool = False
) -> tuple[nn.Module, ModelInfo]:
    """Build a model in evaluation mode.

    Args:
        name: a bundled name, a timm name, a repository of the model hub (ORGANISATION/NAME), a directory that `prune`
            wrote, or a checkpoint file; a file or repository may be followed by @ and what its weights alone do not
            tell (`shapes.parted`).
        weights: "pretrained" (bundled models: as trained) or "random" (seeded, for counts only).
        named_only: paths are not looked at, unless they begin with "file:".

    Raises:
        UnsupportedModel: unknown name, a family other than Swin and DeiT/ViT, or a file of unclear architecture.
        Offline: pretrained weights are neither cached nor reachable.
        CheckpointError: a directory, file or asset cannot be read.
    """
    looked_at = not named_only or ModelName.parse(name).kind == "file"
    found = _from_disk(name) if looked_at and bundled(name) is None else None
    if found is None and ModelName.parse(name).repository:
        found = _from_repository(name, weights)
    return load_named(name, weights, seed) if found is None else found


def _from_repository(name: str, weights: str) -> tuple[nn.Module, ModelInfo]:
    if weights == "random":
        raise UnsupportedModel(f"Random weights are for timm's names; '{name[:120]}' is opened with its own.")
    what, _, wanted = name.partition("@")
    drain(hub.fetch_repository(what))
    model, info = load_file(hub.folder_of(what) or Path(), wanted, name)
    return model, replace(info, name=what)


def _from_disk(text: str) -> tuple[nn.Module, ModelInfo] | None:
    """The model of a directory or file; None where there is neither of that name."""
    if is_folder(text) and not files.is_foreign(text):
        return _load_directory(Path(text))
    name = ModelName.parse(text, files.is_foreign)
    if name.kind == "file" and is_folder(name.what) and not files.is_foreign(name.what):
        return _load_directory(Path(name.what))
    if name.kind != "upload" and files.is_foreign(name.what):
        place = "" if name.brought else str(Path(text).absolute())  # uploads are gone with their session
        return load_file(Path(name.what), name.architecture, place)
    if name.kind == "file":
        raise CheckpointError("That checkpoint file is no longer here; choose it again.")
    return None


def read_as(name: str, said: str) -> str:
    """The name of a file read as a recipe says, where its own name says nothing of that; other names stay."""
    found = ModelName.parse(name, files.is_foreign)
    unsaid = said and not found.architecture and files.is_foreign(found.what)
    return str(replace(found, architecture=said)) if unsaid else name


def fetch_weights(name: str, weights: str = "pretrained") -> Iterator[dict[str, Any]]:
    """Bring what `load_model` will need from the hub into the local cache, if anything: yields an event every quarter
    of a second while it comes (`data.Download.event`), empty ones between. Raises what `hub.fetch` does."""
    if weights != "pretrained" or ModelName.parse(name).kind == "file" or bundled(name) is not None:
        return
    told = -math.inf
    for download in _downloads(name):
        fresh = time.monotonic() - told >= _NEWS
        told = time.monotonic() if fresh else told
        yield download.event() if fresh else {}


def _downloads(name: str) -> Iterator[Download]:
    if ModelName.parse(name).repository:
        return hub.fetch_repository(ModelName.parse(name).what)
    name = base_of(name)
    timm_family(name)
    return hub.fetch(name)


def load_file(path: Path, wanted: str = "", place: str = "") -> tuple[nn.Module, ModelInfo]:
    """The model that a checkpoint file holds, in float32: a state dict of timm's or another code base's
    (`files.layouts`), a folder of transformers', or the zip of a pruned checkpoint. Names, shapes, types and values are
    checked before the model gets any of them.

    `wanted`: the architecture's name; default: found from the shapes. `place`: what opens this file again, for the
    cards of what is cut from it; default: nobody will know.
    """
    if files.is_own_zip(path):
        with files.unpacked(path, _most_bytes) as folder:
            model, info = _load_directory(folder)
        check_finite(model.state_dict())
    else:
        with files.look_into(path) as found:
            model, info = _load_listing(found, wanted)
            info = naming(model, info, found.classes)
    # The same weights can be another model: with other heads, another activation, another input size, other classes.
    # And where the user said something, it was not guessed, which is told beside the model.
    pictures, said = sorted(written(info).items()), wanted.partition("?")[2]
    told = repr((info.fingerprint, info.architecture, sorted(info.settings.items()), info.class_names, pictures, said))
    mark = hashlib.sha256(told.encode()).hexdigest()[:16]
    dense = info.dense if info.source == "directory" else {"file": place, "fingerprint": mark}
    return model, replace(info, name=path.name[:120], source="file", fingerprint=mark, dense=dense)


def _load_listing(found: Listing, wanted: str) -> tuple[nn.Module, ModelInfo]:
    """The model of what a file holds, in float32; `wanted`: see `shapes.parted`. Raises UnsupportedModel or
    CheckpointError where there is none, or only the user can say which."""
    names = renamed(found.shapes)
    shapes = {new: found.shapes[old] for new, old in names.items()}
    wanted, said, treated = parted(wanted)
    if wanted and bundled(wanted) is None:
        wanted = untagged(wanted)
        timm_family(wanted)
    own = wanted if bundled(wanted) else bundled_by_shapes().get(exact(shapes), "") if not wanted else ""
    told = {**files.settings(found.shapes), **found.told, **said}
    made = Architecture(own) if own else architecture(shapes, hints(found.shapes), wanted, told)
    check_heard(said, made)
    model, info = checked_skeleton(made.name, made.settings)
    check_shapes(made.name, shapes, {key: tuple(value.shape) for key, value in model.state_dict().items()})
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
    info = replace(info, weights="trained", architecture=made.name, settings=dict(made.settings))
    info = learned(info, found, said, treated)
    info = replace(info, notes=(*found.notes, *left_out(found.shapes), *made.notes, *grey(info)))
    return finish(model.requires_grad_(), replace(info, zeroed=pruned(state)))


def _most_bytes(folder: Path) -> int:
    """Bytes that the weights of the card's model take before it was cut."""
    card = checkpoints.read_card(folder)
    model, _ = checked_skeleton(card["model"], card.get("settings", {}))
    return sum(parameter.nbytes for parameter in model.parameters())


def _load_directory(path: Path) -> tuple[nn.Module, ModelInfo]:
    """A masked or sliced model from its checkpoint alone: no pickle, no original weights; the same weights bit by bit,
    so the same outputs to rounding."""
    tensors, card = checkpoints.read(path)
    model, info = checked_skeleton(card["model"], card.get("settings", {}))
    fill(model, info.name, path, tensors, card)
    compute_buffers(model)
    made = {"architecture": card["model"], "settings": card.get("settings", {}), "dense": checkpoints.dense_file(card)}
    info = replace(info, source="directory", weights=card["weights"], zeroed=checkpoints.zeroed(card), **made)
    info = with_pictures(info, ("its card", on_card(card)))
    return finish(model, naming(model, info, card.get("class_names")))


def from_card(path: Path, card: Mapping[str, Any]) -> tuple[nn.Module, ModelInfo]:
    """The model that a card describes, without memory for its parameters."""
    model, info = checked_skeleton(card["model"], card.get("settings", {}))
    shape(model, path, card)
    return model, info
