"""One image on its way through a model: what leaves each block, and whom one token attended to in it.

The forward pass is the model's own, fused kernels and all; maps are worked out beside it from what enters an attention.
A hook stands only while its block runs.
Next door: `attending` makes the maps, `segments` cuts the way into blocks, `running` puts flags back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ..types import Anatomy, DataError
from .attending import Windows, attention_weights, silent_heads, windows
from .running import evaluating
from .segments import segments


@dataclass(frozen=True)
class Passed:
    """What is seen of one image at one block: `stream`, the residual stream as it leaves ([1, H, W, C] or [1, N, C]).

    `token`: the place inside its window of the token that was followed, `cells` the cell of the map of every token it
    meets (-1: none). `attention` [heads, len(cells)]: what it gave each of them; None where no softmax mixes tokens.
    `silent`: by head, whether nothing of it leaves.
    """

    windows: Windows
    token: int
    cells: list[int]
    stream: torch.Tensor
    attention: torch.Tensor | None
    silent: list[bool]


def passage(
    model: nn.Module,
    anatomy: Anatomy,
    weights: Mapping[str, torch.Tensor],
    entering: torch.Tensor,
    token: tuple[int, int],
) -> Iterator[Passed]:
    """Yield what leaves each block, in forward order; the caller says under which modes.

    Args:
        weights: by parameter name, what stands in for the model's own.
        entering: of one image, see `embed`.
        token: the (row, column) of a patch, from 0, or (-1, k) for the k-th token before the patches. Where patches
            merge, the token that it went into is followed.

    Raises:
        DataError: a token that the model does not have.
    """
    x, grid = entering, None
    for block, segment in zip(anatomy.blocks, segments(model, anatomy.family), strict=True):
        module: Any = model.get_submodule(block.name)
        where = windows(model, module)
        if grid is None:
            check_token(where, token)
        elif grid != where.grid:
            token = (token[0] // 2, token[1] // 2)
        grid, (number, place) = where.grid, where.place(token)
        with _seen(module.attn, number, place, block.mixer == "softmax") as seen, evaluating(model):
            x = segment.run(weights, x)
        yield Passed(where, place, where.cells(number), x, *(seen or (None, [])))


def check_token(where: Windows, token: tuple[int, int]) -> None:
    """Raise DataError unless the map, or what stands before it, has such a token."""
    first, second = token
    inside = (
        0 <= second < where.prefix if first < 0 else all(0 <= at < of for at, of in zip(token, where.grid, strict=True))
    )
    if not inside or first < -1:
        rows, columns = where.grid
        before = f", or -1 and 0 to {where.prefix - 1}" if where.prefix else ""
        raise DataError(
            f"There is no token ({first}, {second}); choose a row from 0 to {rows - 1} and a column from 0 to "
            f"{columns - 1}{before}."
        )


@contextmanager
def _seen(attention: nn.Module, number: int, place: int, mixes: bool) -> Iterator[list[Any]]:
    """A list that gets [attention of the token at `place` of window `number`, silent heads] when the attention runs."""
    found: list[Any] = []

    def look(module: Any, inputs: tuple[torch.Tensor, ...], more: dict[str, Any]) -> None:
        mask = more.get("mask")
        window = slice(number, number + 1)
        rows = attention_weights(module, inputs[0][window], None if mask is None else mask[window])
        found.extend((rows[0, :, place], silent_heads(module)))

    hook = attention.register_forward_pre_hook(look, with_kwargs=True) if mixes else None
    try:
        yield found
    finally:
        if hook is not None:
            hook.remove()
