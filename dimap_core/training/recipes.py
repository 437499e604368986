"""The recipes that made the bundled checkpoints. Next door: `loop` trains, `models` has the architectures."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import timm
import torch
from accelerate.utils import set_seed
from safetensors.torch import save_file

from ..anatomy import build_anatomy
from ..data import load_data
from ..measure import cost_report, evaluate
from ..models import BUNDLED, BundledModel, build, bundled, load_bundled
from ..types import ASSETS, LabelledImages, UnsupportedModel, check_place, whole_folder
from .loop import Training
from .settings import Settings

Progress = Callable[[str], None]
DROP_PATH = 0.05
FLATTEN = "Focused linear attention (FLatten) in stages 1 to {}, the whole model trained from scratch"

RECIPES: dict[str, Settings] = {
    "swin-digits": Settings(60, augment="affine"),
    "deit-digits": Settings(100, augment="affine", lr=1e-3),
    "swin-textured": Settings(24, augment="shifts"),
    "deit-textured": Settings(24, augment="shifts"),
    "swin-flatten": Settings(24, augment="shifts"),
}


def train_bundled(name: str, out: Path = ASSETS, seed: int = 0, progress: Progress = lambda _: None) -> dict[str, Any]:
    """Train a bundled model, save fp16 safetensors and its card, and measure what was saved.

    Returns the card: data, seed, accuracy with n and interval, params, MACs, seconds and the command.
    """
    spec = bundled(name)
    if spec is None:
        raise UnsupportedModel(f"'{name}' is not a bundled model; choose {', '.join(m.name for m in BUNDLED)}.")
    # One thread: models this small gain nothing from two, and the result does not depend on the machine's cores.
    torch.set_num_threads(1)
    check_place(out, other="another directory")
    set_seed(seed)
    start = time.perf_counter()
    data = load_data(spec.data, "train")
    training = Training(build(spec, drop_path_rate=DROP_PATH), data, replace(RECIPES[name], seed=seed))
    losses: list[float] = []
    epoch = len(training.loader)
    for step in training.run():
        losses.append(step.loss)
        if step.step % epoch == 0:
            done, epochs = step.step // epoch, step.steps // epoch
            mean = sum(losses[-epoch:]) / epoch
            progress(f"epoch {done}/{epochs}, loss {mean:.3f}, {step.seconds_left:.0f} s left")
    seconds = time.perf_counter() - start
    tensors = {key: tensor.half().contiguous() for key, tensor in training.result().state_dict().items()}
    with whole_folder(out) as part:
        save_file(tensors, part / f"{name}.safetensors")
        card = _card(spec, part, seed, seconds)  # opens and judges what was written
        (part / f"{name}.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
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
        **({"attention": FLATTEN.format(spec.linear_stages)} if spec.linear_stages else {}),
        "seconds": round(seconds),
        "device": "cuda" if torch.cuda.is_available() else "cpu",
        "command": f"python -m dimap_core train {spec.name}" + (f" --seed {seed}" if seed else ""),
        "versions": {"torch": torch.__version__, "timm": timm.__version__},
    }
