"""Swin blocks whose token mixer sees the whole map: what takes the place of window attention and is not bound to
windows (convolution, linear attention) gets one window as large as the block's map, unshifted, without a mask.

timm's block then hands all tokens of an image, [B, height * width, C] row by row, to its `attn`.
Next door: what stands there.
"""

from __future__ import annotations

from typing import Any


def see_whole_map(block: Any) -> None:
    """Give a timm Swin block one window as large as its map, in place."""
    block.window_size, block.shift_size = tuple(block.input_resolution), (0, 0)
    block.window_area = block.window_size[0] * block.window_size[1]
    block.dynamic_mask = False
    block.register_buffer("attn_mask", None, persistent=False)
