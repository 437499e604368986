"""Which settings of an architecture a file or a card may ask for, and how large they may be.

Next door: `asked` reads what a user says, `architectures` what shapes say.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...types import UnsupportedModel

_LIMITS: dict[str, tuple[float, float]] = {
    "img_size": (1, 1024), "num_classes": (0, 200_000), "patch_size": (1, 128), "embed_dim": (1, 16_384),
    "depth": (1, 200), "num_heads": (1, 512), "mlp_ratio": (0, 64), "init_values": (0, 1), "reg_tokens": (0, 64),
    "norm_eps": (0, 1), "window_size": (1, 64),
    **dict.fromkeys(
        ("qkv_bias", "proj_bias", "no_embed_class", "class_token", "pre_norm", "fc_norm", "qk_norm", "scale_attn_norm",
         "scale_mlp_norm"), (0, 1)
    ),
}  # fmt: skip
_LISTS = {"window_size": (1, 64), "depths": (1, 200), "num_heads": (1, 512)}
_ONE_OF: dict[str, tuple[Any, ...]] = {"global_pool": ("avg", "token"), "in_chans": (1, 3)}
MOST_PIXELS = int(_LIMITS["img_size"][1])
"""Longest side of an image."""


def checked(settings: Any) -> dict[str, Any]:
    """`settings` that a file asks for or a card holds; raises UnsupportedModel for unknown ones and sizes that no model
    has."""
    found: dict[str, Any] = {}
    for key, value in settings.items() if isinstance(settings, Mapping) else [("settings", None)]:
        several = tuple(value) if isinstance(value, list | tuple) and 0 < len(value) <= 8 else ()
        if not (value in _ONE_OF[key] if key in _ONE_OF else _within(key, several or (value,), bool(several))):
            raise UnsupportedModel(f"No model of {str(key)[:40]} {str(value)[:40]} is supported; choose another file.")
        found[key] = several or value
    return found


def _within(key: str, numbers: tuple[Any, ...], several: bool) -> bool:
    low, high = (_LISTS if several else _LIMITS).get(key, (1, 0))
    return all(isinstance(number, int | float) and low <= number <= high for number in numbers)
