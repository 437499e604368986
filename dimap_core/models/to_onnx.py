"""Takes a model out of this project: ONNX, for runtimes that know no Python.

Next door: `checkpoints` keeps models for this project, `measure.latency` measures them.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..types import ModelInfo, PruningError, check_place, whole_file
from .checkpoints import facts


def write_onnx(model: nn.Module, info: ModelInfo, path: Path) -> None:
    """Write `model` as one ONNX file: input "images" [batch, channels, side, side] of `info`, normalised as for
    training, output "logits" [batch, classes]; the batch may have any size. Its metadata holds `checkpoints.facts` of
    `info` and its "model", each as JSON.

    Raises:
        PruningError: the packages that write ONNX are not installed.
        CheckpointError: the file cannot be written.
    """
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise PruningError(
            f"Writing ONNX needs the package '{error.name}'; install it with 'pip install onnx onnxscript'."
        ) from error
    check_place(path)  # better refused now than after the export
    # An example of one image would fix the batch to one.
    images = torch.zeros(2, info.channels, info.input_size, info.input_size, device=next(model.parameters()).device)
    with plain_attention(model), contextlib.redirect_stdout(sys.stderr):  # the exporter prints its progress
        program: Any = torch.onnx.export(
            model, (images,), dynamo=True, verbose=False, input_names=["images"], output_names=["logits"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
        )  # fmt: skip
    told = {"model": info.name, **facts(info)}
    program.model.metadata_props.update({key: json.dumps(value, ensure_ascii=False) for key, value in told.items()})
    with whole_file(path) as part:
        program.save(part)


@contextlib.contextmanager
def plain_attention(model: nn.Module) -> Iterator[None]:
    """Attention as products and a softmax: of the fused kernel the exporter mistakes the memory layout (torch 2.15,
    Swin), and runtimes fuse on their own."""
    modules: list[Any] = [module for module in model.modules() if hasattr(module, "fused_attn")]
    before = [module.fused_attn for module in modules]
    for module in modules:
        module.fused_attn = False
    try:
        yield
    finally:
        for module, fused in zip(modules, before, strict=True):
            module.fused_attn = fused
