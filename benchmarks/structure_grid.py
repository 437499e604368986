"""Every ratio from .05 to .95 on full-size models: does the sliced model answer as the masked one, and at what cost?

    python -m benchmarks.structure_grid              four models, each kind of group alone and all together
    python -m benchmarks.structure_grid --memory     only time and extra memory of one cut of Swin-B (Linux)

Random weights, three times timm's so that a cut shows; float32, plain attention; scope "module", so that blocks differ.
"""

from __future__ import annotations

import time

import torch
from torch.func import functional_call

from dimap_core.cut import masked_weights, slice_model
from dimap_core.pipeline import Opened, apply_plan, open_model, score
from dimap_core.types import KINDS, PruningPlan

from .live import MIB, forget_peak, resident
from .measured import command_line

MODELS = (
    "swin_tiny_patch4_window7_224",
    "swin_base_patch4_window7_224",
    "deit_tiny_patch16_224",
    "deit_base_patch16_224",
)
RATIOS = tuple(round(0.05 * step, 2) for step in range(1, 20))
CUTS = {kind: (kind,) for kind in KINDS} | {"together": KINDS}


def cut_plan(kinds: tuple[str, ...], ratio: float) -> PruningPlan:
    """Remove `ratio` of each of `kinds` and nothing else."""
    return PruningPlan("magnitude", "structure", "module", 0.0, tuple(((None, kind), ratio) for kind in kinds))


def check(opened: Opened, plan: PruningPlan, image: torch.Tensor) -> tuple[float, float, bool]:
    """(largest difference of masked and sliced logits, seconds to slice, whether the report's params are exact)."""
    selection, cost = apply_plan(opened, plan)
    scores = score(opened, plan)
    begun = time.perf_counter()
    smaller = slice_model(opened.model, opened.anatomy, scores, selection)
    seconds = time.perf_counter() - begun
    with torch.inference_mode():
        masked = functional_call(
            opened.model, masked_weights(opened.model, opened.anatomy, scores, selection), (image,)
        )
        error = float((masked - smaller(image)).abs().max())
    return error, seconds, sum(p.numel() for p in smaller.parameters()) == cost.total.params_after


def prepared(name: str) -> Opened:
    """The model with random weights, plain attention."""
    opened = open_model(name, "random")
    for parameter in opened.model.parameters():
        if parameter.ndim > 1:
            parameter.data *= 3
    for module in opened.model.modules():
        if hasattr(module, "fused_attn"):
            module.fused_attn = False
    return opened


def grid() -> None:
    """Print one markdown row a model and cut."""
    print("| model | removed | ratios | largest error | largest logit | params exact | seconds to slice |")
    print("|---|---|---|---|---|---|---|")
    for name in MODELS:
        opened = prepared(name)
        image = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
        with torch.inference_mode():
            largest = float(opened.model(image).abs().max())
        for cut, kinds in CUTS.items():
            found = [check(opened, cut_plan(kinds, ratio), image) for ratio in RATIOS]
            errors, seconds, exact = zip(*found, strict=True)
            print(
                f"| {name} | {cut} | {len(RATIOS)} | {max(errors):.1e} | {largest:.1f} | {all(exact)} | "
                f"{min(seconds):.2f}-{max(seconds):.2f} |",
                flush=True,
            )


def memory() -> None:
    """Print time and extra resident memory, at its peak, of slicing Swin-B at three ratios."""
    opened = open_model(MODELS[1], "random")
    for ratio in (0.05, 0.5, 0.95):
        plan = cut_plan(KINDS, ratio)
        selection, _ = apply_plan(opened, plan)
        before, begun, used = forget_peak(), time.perf_counter(), time.process_time()
        smaller = slice_model(opened.model, opened.anatomy, score(opened, plan), selection)
        seconds, used = time.perf_counter() - begun, time.process_time() - used
        extra, size = (resident("VmHWM") - before) / MIB, sum(p.nbytes for p in smaller.parameters()) / MIB
        print(f"{ratio}: {seconds:.2f} s ({used:.2f} CPU s), {extra:.0f} MiB extra, of these {size:.0f} the model")


if __name__ == "__main__":
    parser = command_line(__doc__)
    parser.add_argument("--memory", action="store_true")
    memory() if parser.parse_args().memory else grid()
