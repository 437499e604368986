"""Layouts: parameter names of other code bases as timm's. Names in, names out: no torch, no file.

Known layouts: timm's own, which Facebook's DeiT has too, and the rows of `LAYOUTS`; to add one, add a row. Prefixes of
DataParallel, torch.compile and detection code bases go, and what is saved along (windows' masks, indices) is left out.
Next door: `files` reads the shapes, `architectures` says what they belong to.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from ...types import CheckpointError, Shape

_PREFIXES = ("module.", "_orig_mod.", "backbone.", "model.")
_BUFFERS = ("relative_position_index", "relative_coords_table", "attn_mask", "k_bias")


@dataclass(frozen=True)
class Layout:
    """How another code base names parameters: it is that one's where `mark` is a whole name, and `rules` (pattern,
    replacement) make timm's of each name, one after the other."""

    label: str
    mark: str
    rules: tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...]

    def timms(self, name: str) -> str:
        """timm's name."""
        for pattern, new in self.rules:
            name = re.sub(pattern, new, name)
        return name


LAYOUTS = (
    Layout(
        "Microsoft's Swin and SwinV2, old timm: patch merging at the end of the stage before",
        r"layers\.0\.downsample\.reduction\.weight",
        ((r"^layers\.(\d+)\.downsample", lambda at: f"layers.{int(at[1]) + 1}.downsample"),),
    ),
    Layout(
        "Microsoft's Swin and SwinV2, old timm: the head is a layer alone",
        r"layers\.\d+\.blocks\..+",
        ((r"^head\.(weight|bias)$", r"head.fc.\1"),),
    ),
    Layout("Facebook's DeiT-3", r"blocks\.\d+\.gamma_1", ((r"\.gamma_([12])$", r".ls\1.gamma"),)),
)
"""timm's Swin begins a stage with its merging, so its first stage has none."""


def renamed(names: Iterable[str]) -> dict[str, str]:
    """The file's name of each parameter, by timm's; what is no parameter (masks, indices) is left out. Raises
    CheckpointError where two names become one."""
    bare = {name: _bare(name) for name in names}
    spoken = [layout for layout in LAYOUTS if any(re.fullmatch(layout.mark, name) for name in bare.values())]
    found: dict[str, str] = {}
    for name, new in bare.items():
        if new.endswith(_BUFFERS):
            continue
        for layout in spoken:
            new = layout.timms(new)
        if new in found:
            raise CheckpointError(f"This checkpoint file holds '{new[:80]}' twice; save one state dict alone.")
        found[new] = name
    return found


def _bare(name: str) -> str:
    while name.startswith(_PREFIXES):
        name = name.partition(".")[2]
    return name


def hints(shapes: Mapping[str, Shape]) -> dict[str, Shape]:
    """Shapes of the buffers that `renamed` leaves out, which tell window and input sizes."""
    return {_bare(name): shape for name, shape in shapes.items() if name.endswith(_BUFFERS)}
