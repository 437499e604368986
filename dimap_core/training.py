"""One training loop on accelerate, and the recipes that made the bundled checkpoints.

Next door: `models` holds the architectures, `data` the images, `evaluate` judges the result.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import timm
import timm.layers
import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from .anatomy import build_anatomy
from .bundled import ASSETS, BUNDLED, BundledModel, bundled
from .cost import cost_report
from .data import load_data
from .errors import UnsupportedModel
from .evaluate import evaluate
from .models import build, load_bundled
from .types import LabelledImages

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Recipe:
    """How one bundled model is trained; `lr` is the peak learning rate of AdamW, warmed up and cosine-annealed."""

    epochs: int
    augment: Callable[[torch.Tensor], torch.Tensor]
    lr: float = 1.5e-3
    weight_decay: float = 0.05
    batch_size: int = 100
    warmup: float = 0.06
    smoothing: float = 0.05
    drop_path: float = 0.05
    clip: float = 1.0


def affine(images: torch.Tensor) -> torch.Tensor:
    """Random rotation (+-0.2 rad), scale (+-12 %) and shift (+-8 %) of images [B, C, H, W]."""
    count = len(images)
    angle, scale = (torch.rand(count) - 0.5) * 0.4, 1 + (torch.rand(count) - 0.5) * 0.24
    shift = (torch.rand(count, 2) - 0.5) * 0.32
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    theta = torch.stack([torch.stack([cos, -sin, shift[:, 0]], -1), torch.stack([sin, cos, shift[:, 1]], -1)], 1)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def shifts(images: torch.Tensor) -> torch.Tensor:
    """Random shifts by up to 4 pixels, one for the whole batch [B, C, H, W]."""
    padded = F.pad(images, (4, 4, 4, 4), mode="reflect")
    top, left = torch.randint(0, 9, (2,)).tolist()
    return padded[..., top : top + images.shape[-2], left : left + images.shape[-1]]


RECIPES: dict[str, Recipe] = {
    "swin-digits": Recipe(60, affine),
    "deit-digits": Recipe(100, affine, lr=1e-3),
    "swin-textured": Recipe(24, shifts),
    "deit-textured": Recipe(24, shifts),
}


def cue_loss(
    logits: torch.Tensor, labels: torch.Tensor, cues: Mapping[str, np.ndarray], smoothing: float
) -> torch.Tensor:
    """Smoothed cross-entropy of the joint class plus the NLL of every cue's marginal; logits [B, classes].

    Without the marginals one cue of the textured digits is learned and the other stays at chance.
    """
    loss = F.cross_entropy(logits, labels, label_smoothing=smoothing)
    log_p = logits.float().log_softmax(-1)
    for values in cues.values():
        of_class = torch.as_tensor(values)
        same = of_class[None, :] == of_class[labels][:, None]
        loss = loss - log_p.masked_fill(~same, -torch.inf).logsumexp(-1).mean()
    return loss


def fit(model: nn.Module, data: LabelledImages, recipe: Recipe, seed: int, progress: Progress) -> nn.Module:
    """Train `model` on all images of `data` (normalised with mean and std 0.5); returns it in evaluation mode."""
    set_seed(seed)
    accelerator = Accelerator(cpu=not torch.cuda.is_available(), mixed_precision="bf16")
    images, labels = torch.from_numpy(data.images), torch.from_numpy(data.labels)
    loader = DataLoader(TensorDataset(images, labels), recipe.batch_size, shuffle=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)
    steps = recipe.epochs * len(loader)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.lr, total_steps=steps, pct_start=recipe.warmup, cycle_momentum=False
    )
    model, optimizer, loader, schedule = accelerator.prepare(model, optimizer, loader, schedule)
    model.train()
    start = time.perf_counter()
    for epoch in range(recipe.epochs):
        total = 0.0
        for batch, target in loader:
            inputs = recipe.augment(batch.float().cpu().div(127.5).sub(1)).to(accelerator.device)
            loss = cue_loss(model(inputs), target, data.cues, recipe.smoothing)
            accelerator.backward(loss)
            accelerator.clip_grad_norm_(model.parameters(), recipe.clip)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            total += loss.item()
        spent = time.perf_counter() - start
        left = spent / (epoch + 1) * (recipe.epochs - epoch - 1)
        progress(f"epoch {epoch + 1}/{recipe.epochs}, loss {total / len(loader):.3f}, {left:.0f} s left")
    return accelerator.unwrap_model(model, keep_fp32_wrapper=False).cpu().eval()


def train_bundled(name: str, out: Path = ASSETS, seed: int = 0, progress: Progress = lambda _: None) -> dict[str, Any]:
    """Train a bundled model, save fp16 safetensors and its card, and measure what was saved.

    Returns the card: data, seed, accuracy with n and interval, params, MACs, seconds and the command.
    """
    spec = bundled(name)
    if spec is None:
        raise UnsupportedModel(f"'{name}' is not a bundled model; choose {', '.join(m.name for m in BUNDLED)}.")
    # One thread: models this small gain nothing from two, and the result does not depend on the machine's cores.
    torch.set_num_threads(1)
    # bf16 autocast on CPU is slower with fused attention than without.
    timm.layers.set_fused_attn(torch.cuda.is_available())
    set_seed(seed)
    start = time.perf_counter()
    model = build(spec, drop_path_rate=RECIPES[name].drop_path)
    model = fit(model, load_data(spec.data, "train"), RECIPES[name], seed, progress)
    seconds = time.perf_counter() - start
    out.mkdir(parents=True, exist_ok=True)
    tensors = {key: tensor.half().contiguous() for key, tensor in model.state_dict().items()}
    save_file(tensors, out / f"{name}.safetensors")
    card = _card(spec, out, seed, seconds)
    (out / f"{name}.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    return card


def chance(data: LabelledImages) -> dict[str, float]:
    """Accuracy of guessing, jointly and for each cue."""
    return {
        "joint": 1 / len(data.class_names),
        **{cue: 1 / len(set(values.tolist())) for cue, values in data.cues.items()},
    }


def _card(spec: BundledModel, out: Path, seed: int, seconds: float) -> dict[str, Any]:
    """Measure the checkpoint that was saved, not the model that was trained: fp16 may change an answer."""
    model, info = load_bundled(spec, out)
    *_, (result, _) = evaluate(model, info, load_data(spec.data))
    total = cost_report(build_anatomy(model, spec.family)).total
    return {
        "name": spec.name,
        "family": spec.family,
        "data": spec.data,
        "n": result.n,
        "top1": result.top1.value,
        "ci95": [result.top1.low, result.top1.high],
        "cues": {cue: share.value for cue, share in result.cues.items() if cue != "joint"},
        "chance": chance(load_data(spec.data)),
        "params": total.params,
        "macs": total.macs,
        "seed": seed,
        "seconds": round(seconds),
        "device": "cuda" if torch.cuda.is_available() else "cpu",
        "command": f"python -m dimap_core train {spec.name}" + (f" --seed {seed}" if seed else ""),
        "versions": {"torch": torch.__version__, "timm": timm.__version__},
    }
