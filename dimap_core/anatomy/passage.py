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

    `token`: the place inside its window of the token that was followed, `cells` the cell of the map of every token
    it meets (-1: none). `attention` [heads, len(cells)]: what it gave each of them; None where no softmax mixes tokens.
    `silent`: by head, whether nothing of it leaves. `rollout` [len(cells)]: what reached it from each token that
    entered the first block, see `rolled`; None where some block so far parts its tokens, or mixes them without softmax.
    """

    windows: Windows
    token: int
    cells: list[int]
    stream: torch.Tensor
    attention: torch.Tensor | None
    silent: list[bool]
    rollout: torch.Tensor | None = None


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
    x, grid, so_far, whole = entering, None, None, True
    for block, segment in zip(anatomy.blocks, segments(model, anatomy.family), strict=True):
        module: Any = model.get_submodule(block.name)
        where = windows(model, module)
        if grid is None:
            check_token(where, token)
        elif grid != where.grid:
            token, whole = (token[0] // 2, token[1] // 2), False
        grid, (number, place) = where.grid, where.place(token)
        with _seen(module.attn, number, block.mixer == "softmax") as seen, evaluating(model):
            x = segment.run(weights, x)
        cells, (maps, silent) = where.cells(number), seen or (None, [])
        whole = whole and maps is not None and where.window == where.grid
        if maps is None:
            yield Passed(where, place, cells, x, None, silent)
            continue
        so_far = rolled(maps, silent, so_far) if whole else None
        yield Passed(where, place, cells, x, maps[:, place], silent, None if so_far is None else so_far[place])


def rolled(maps: torch.Tensor, silent: list[bool], before: torch.Tensor | None) -> torch.Tensor:
    """Attention rollout (Abnar and Zuidema 2020, https://arxiv.org/abs/2005.00928) through one more block, float64
    [N, N], each row sums to one: half the mean map of its heads, half the token itself for the residual stream, times
    what was `before`.

    maps: [heads, N, N]. Heads that are `silent` carry nothing: they are left out of the mean, and where all are, every
    token keeps what it has.
    """
    own = torch.eye(maps.shape[-1], dtype=torch.float64, device=maps.device)
    heard = maps[[not quiet for quiet in silent]].double()  # in double, which autocast leaves alone
    step = (heard.mean(0) + own) / 2 if len(heard) else own
    return step if before is None else step @ before


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
def _seen(attention: nn.Module, number: int, mixes: bool) -> Iterator[list[Any]]:
    """A list that gets [maps of window `number`: [heads, N, N], silent heads] when the attention runs."""
    found: list[Any] = []

    def look(module: Any, inputs: tuple[torch.Tensor, ...], more: dict[str, Any]) -> None:
        mask = more.get("mask")
        window = slice(number, number + 1)
        rows = attention_weights(module, inputs[0][window], None if mask is None else mask[window])
        found.extend((rows[0], silent_heads(module)))

    hook = attention.register_forward_pre_hook(look, with_kwargs=True) if mixes else None
    try:
        yield found
    finally:
        if hook is not None:
            hook.remove()
