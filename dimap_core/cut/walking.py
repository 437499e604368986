"""Walking through a model block by block on what training images become in it, without a trace on it.

Work is cut into short steps, so that whoever drives it can do something else between two of them, or stop.
Next door: `repair` and `refitting` change layers on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar

import numpy as np
import torch
from torch import nn
from torch.func import functional_call

from ..anatomy import embed, evaluating
from ..data import normalised
from ..types import DataError, ModelInfo

Weights = dict[str, torch.Tensor]
Result = TypeVar("Result")
Steps = Generator[None, None, Result]
"""Work that pauses after every batch."""


@contextmanager
def still(model: nn.Module) -> Iterator[None]:
    """No gradients, and every part in evaluation mode; never open while the work pauses."""
    with torch.inference_mode(), evaluating(model):
        yield


def told(steps: Steps[Result], progress: tuple[int, int, Weights]) -> Generator[tuple[int, int, Weights], None, Result]:
    """The steps' result, with the progress so far in each of their pauses."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
        yield progress


def embedded(model: nn.Module, info: ModelInfo, images: np.ndarray, batch: int) -> list[torch.Tensor]:
    """What enters the first block, batch by batch; raises DataError for no images."""
    if not len(images):
        raise DataError("Repair learns from training images; give it at least one.")
    like = next(model.parameters())
    with still(model):
        parts = (normalised(info, images[at : at + batch]).to(like) for at in range(0, len(images), batch))
        return [embed(model, info.family, part) for part in parts]


def through(
    model: nn.Module, run: Callable[[torch.Tensor], torch.Tensor], inputs: list[torch.Tensor]
) -> Steps[list[torch.Tensor]]:
    """What `run` makes of every batch."""
    made = []
    for x in inputs:
        with still(model):
            made.append(run(x))
        yield
    return made


class _Seen(Exception):
    """Ends a forward pass at the layer that was to be seen."""


def see(block: nn.Module, weights: Mapping[str, torch.Tensor], x: torch.Tensor, layer: str) -> tuple[Any, Any]:
    """(input, output) of a layer while `block` runs on x with some parameters replaced; what follows it is not run."""
    return _caught(block, weights, x, block.get_submodule(layer).register_forward_hook)


def entering(block: nn.Module, weights: Mapping[str, torch.Tensor], x: torch.Tensor, layer: str) -> torch.Tensor:
    """What `see` gives as the input; the layer itself is not run."""
    return _caught(block, weights, x, block.get_submodule(layer).register_forward_pre_hook)[0]


def _caught(block: nn.Module, weights: Mapping[str, torch.Tensor], x: torch.Tensor, hook_in: Callable[..., Any]) -> Any:
    """(input, *what else the hook is told)."""
    seen: list[tuple[Any, ...]] = []

    def stop(_: nn.Module, inputs: tuple, *output: torch.Tensor) -> NoReturn:
        seen.append((inputs[0], *output))
        raise _Seen

    hook = hook_in(stop)
    try:
        functional_call(block, dict(weights), (x,))
    except _Seen:
        pass
    finally:
        hook.remove()
    return seen[0]
