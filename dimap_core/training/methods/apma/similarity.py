"""How alike the channels of every head are, in the dense model and in what an APMA-style search left of it.

A small file beside the checkpoint; the page that shows it reads JSON and no model.
Next door: `scores` compares, `settings` names the file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ....pipeline import Opened
from ....types import whole_file
from .indicators import channel_rows
from .scores import cosines
from .settings import SIMILARITY


def write(folder: Path, opened: Opened, smaller: nn.Module, card: Mapping[str, Any]) -> None:
    """Per block and kind ("qk_dim", "v_dim") |cosine| in % of every two channels: "before" [heads][d][d] of the dense
    model, "after" [heads][k][k] of the smaller one, whose channels were "kept" [heads][k] of the dense one's."""
    found = []
    for block in opened.anatomy.blocks:
        dense, left = (_percent(model.get_submodule(f"{block.name}.attn")) for model in (opened.model, smaller))
        kept = card["result"]["channels"][block.name]
        row: dict[str, Any] = {"stage": block.stage, "block": block.index}
        for kind in ("qk_dim", "v_dim"):
            row[kind] = {"before": dense[kind], "after": left[kind], "kept": kept[kind]}
        found.append(row)
    with whole_file(folder / SIMILARITY) as part:
        part.write_text(json.dumps(found), encoding="utf-8")


def _percent(attention: nn.Module) -> dict[str, list[list[list[int]]]]:
    with torch.no_grad():
        return {kind: cosines(rows).mul(100).round().int().tolist() for kind, rows in channel_rows(attention).items()}
