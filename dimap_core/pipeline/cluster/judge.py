"""What runs in an actor: a judge that holds the models it was handed last and answers images of them.

Weights and pixels arrive as arrays from the cluster's object store and are read where they lie: all judges of one
machine share one copy.
Next door: `crew` makes judges and says what they do.
"""

from __future__ import annotations

import copy
import socket
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from ...measure import Masked, Predictions, answers, device
from ...types import ModelInfo
from .connect import be_gentle, versions

_KEPT = 3  # models, those used last


@dataclass(frozen=True)
class Packed:
    """A model for the way: its modules without numbers, and its parameters and buffers by name as arrays."""

    modules: nn.Module
    arrays: dict[str, np.ndarray]


@dataclass(frozen=True)
class Sheet:
    """Some images to answer, batch by batch of those `sizes`. What is large is named by its place in the object store:
    `model` (a `Packed`, also named by its hash, `name`), `weights` (parameters of a cut by name, as arrays) and `data`
    (`LabelledImages` with no other images)."""

    name: str
    info: ModelInfo
    bf16: bool
    sizes: tuple[int, ...]
    model: Any
    weights: Any
    data: Any


def packed(model: nn.Module) -> Packed:
    """The model as it goes through the object store; shares its numbers where they are on the CPU."""
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    memo: dict[int, Any] = {}
    for tensor in tensors.values():
        empty = tensor.detach().to("meta")
        is_weight = isinstance(tensor, nn.Parameter)
        memo[id(tensor)] = nn.Parameter(empty, requires_grad=False) if is_weight else empty
    return Packed(copy.deepcopy(model, memo), {name: array_of(tensor) for name, tensor in tensors.items()})


def array_of(tensor: torch.Tensor) -> np.ndarray:
    """A tensor as an array."""
    return tensor.detach().cpu().numpy()


def unpacked(found: Packed) -> nn.Module:
    """The model, its numbers where they lie in the object store."""
    for name, array in found.arrays.items():
        parent, _, own = name.rpartition(".")
        module, tensor = found.modules.get_submodule(parent), tensor_of(array)
        if own in module._parameters:
            module._parameters[own] = nn.Parameter(tensor, requires_grad=False)
        else:
            module._buffers[own] = tensor
    return found.modules.eval()


def tensor_of(array: np.ndarray) -> torch.Tensor:
    """An array of the object store as a tensor on this process's device; nobody writes to it."""
    return torch.from_numpy(array).to(device())


class Judge:
    """One actor; `get` reads what lies in the object store."""

    def __init__(self, get: Callable[[Any], Any]) -> None:
        be_gentle()
        torch.set_num_threads(1)  # there is a judge on every core
        self._get = get
        self._models: OrderedDict[str, nn.Module] = OrderedDict()

    def about(self) -> tuple[str, dict[str, str]]:
        """Where it runs, and which versions."""
        return socket.gethostname(), versions()

    def answer(self, sheet: Sheet) -> list[Predictions]:
        """What the cut says of a sheet's images, batch by batch."""
        model, data = self._model(sheet), self._get(sheet.data)
        weights = {name: tensor_of(array) for name, array in self._get(sheet.weights).items()}
        run, found, start = Masked(model, weights, sheet.bf16), [], 0
        for size in sheet.sizes:
            part = np.arange(start, start + size)
            found.append(answers(sheet.info, data, part, run, start, device()))
            start += size
        return found

    def _model(self, sheet: Sheet) -> nn.Module:
        """The sheet's model, read only where it is not held."""
        if sheet.name not in self._models:
            self._models[sheet.name] = unpacked(self._get(sheet.model))
        self._models.move_to_end(sheet.name)
        while len(self._models) > _KEPT:
            self._models.popitem(last=False)
        return self._models[sheet.name]
