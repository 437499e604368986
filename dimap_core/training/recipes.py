"""The recipes that made the bundled checkpoints. Next door: `loop` trains, `models` has the architectures."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import timm
import torch
from accelerate.utils import set_seed
from safetensors.torch import save_file
from torch import nn

from ..anatomy import build_anatomy
from ..data import FOLDER, ZIP, ImageSource, choose, load_data, whole_training
from ..measure import cost_report, evaluate
from ..models import BUNDLED, BundledModel, build, bundled, bundled_info, load_bundled
from ..types import ASSETS, DataError, LabelledImages, ModelInfo, UnsupportedModel, check_place, whole_folder
from .kept_state import Kept
from .loop import Training
from .settings import Settings

Progress = Callable[[str], None]
DROP_PATH = 0.05
FLATTEN = "Focused linear attention (FLatten) in stages 1 to {}, the whole model trained from scratch"

PHOTOS = (
    Settings(50, augment="photos", batch_size=125, mixup=0.2, cutmix=1.0, mixed=0.5, mixed_until=0.74, ema=0.999),
    Settings(24, augment="photos", batch_size=250, lr=1.5e-3, ema=0.998, optimizer="muon"),
)
"""AdamW with mixed images first; then Muon without them, since so small a model still learns. That a second run was
worth it, and how it should go on, was decided after the first had been judged by the images of its card."""

RECIPES: dict[str, tuple[Settings, ...]] = {
    "swin-digits": (Settings(60, augment="affine"),),
    "deit-digits": (Settings(100, augment="affine", lr=1e-3),),
    "swin-textured": (Settings(24, augment="shifts"),),
    "deit-textured": (Settings(24, augment="shifts"),),
    "swin-flatten": (Settings(24, augment="shifts"),),
    "swin-photos": PHOTOS,
}


def train_bundled(
    name: str,
    out: Path = ASSETS,
    seed: int = 0,
    progress: Progress = lambda _: None,
    data: str | None = None,
    state: Path | None = None,
) -> dict[str, Any]:
    """Train a bundled model, save fp16 safetensors and its card, and measure what was saved.

    `data`: the images, as --data names them, of a model whose set does not come with the project; `state`: a folder to
    keep the training in and to go on from. Returns the card: data, seed, accuracy with n and interval, params, MACs,
    seconds and the command.
    """
    spec = bundled(name)
    if spec is None:
        raise UnsupportedModel(f"'{name}' is not a bundled model; choose {', '.join(m.name for m in BUNDLED)}.")
    if data and not spec.judged:
        raise DataError(f"'{name}' is trained on '{spec.data}', which comes with the project; leave --data out.")
    # Models of a few minutes gain nothing from two threads, and the result does not depend on the machine's cores.
    torch.set_num_threads(torch.get_num_threads() if spec.judged else 1)
    check_place(out, other="another directory")
    set_seed(seed)
    source = ImageSource(data or spec.data, count=0)
    model: nn.Module = build(spec, drop_path_rate=DROP_PATH)
    images = whole_training(source, model, bundled_info(spec, "random")) if spec.judged else None
    spent = 0.0
    for number, settings in enumerate(RECIPES[name]):
        training = Training(model, images or load_data(spec.data, "train"), replace(settings, seed=seed + number))
        _run(training, None if state is None else Kept(training, state / str(number)), progress)
        model, spent = training.result(), spent + training.spent
    tensors = {key: tensor.half().contiguous() for key, tensor in model.state_dict().items()}
    with whole_folder(out) as part:
        save_file(tensors, part / f"{name}.safetensors")
        card = _card(spec, part, seed, spent, source)  # opens and judges what was written
        (part / f"{name}.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    return card


def _run(training: Training, kept: Kept | None, progress: Progress) -> None:
    losses: list[float] = []
    epoch = len(training.loader)
    for step in training.run():
        losses.append(step.loss)
        if kept is not None:
            kept.after(training.spent)
        if step.step % epoch == 0:
            done, epochs = step.step // epoch, step.steps // epoch
            seen = losses[-epoch:]
            progress(f"epoch {done}/{epochs}, loss {fmean(seen):.3f}, {step.seconds_left:.0f} s left")


def chance(data: LabelledImages) -> dict[str, float]:
    """Accuracy of guessing, jointly and for each cue."""
    return {
        "joint": 1 / len(data.class_names),
        **{cue: 1 / len(set(values.tolist())) for cue, values in data.cues.items()},
    }


def _judging(spec: BundledModel, source: ImageSource, model: nn.Module, info: ModelInfo) -> LabelledImages:
    """The images that judge a model: its set's validation split, or all of those that `source` names."""
    if not spec.judged:
        return load_data(spec.data)
    *_, (_, _, chosen) = choose(source, model, info)
    assert chosen is not None
    return chosen.to_judge()


def _card(spec: BundledModel, out: Path, seed: int, seconds: float, source: ImageSource) -> dict[str, Any]:
    """Measure the checkpoint that was saved, not the model that was trained: fp16 may change an answer."""
    model, info = load_bundled(spec, out)
    judged = _judging(spec, source, model, info)
    *_, (result, _) = evaluate(model, replace(info, data=judged.name), judged)
    total = cost_report(build_anatomy(model, spec.family)).total
    own = source.source.startswith((FOLDER, ZIP))
    given = f" --data {FOLDER}PATH" if own else ""
    return {
        "name": spec.name,
        "family": spec.family,
        "data": spec.data,
        **({"judged": spec.judged if own else f"{spec.data}'s own validation images"} if spec.judged else {}),
        "n": result.n,
        "top1": result.top1.value,
        "ci95": [result.top1.low, result.top1.high],
        "cues": {cue: share.value for cue, share in result.cues.items() if cue != "joint"},
        "chance": chance(judged),
        "params": total.params,
        "macs": total.macs,
        "seed": seed,
        **({"attention": FLATTEN.format(spec.linear_stages)} if spec.linear_stages else {}),
        "seconds": round(seconds),
        "device": "cuda" if torch.cuda.is_available() else "cpu",
        "command": f"python -m dimap_core train {spec.name}{given}" + (f" --seed {seed}" if seed else ""),
        "versions": {"torch": torch.__version__, "timm": timm.__version__},
    }
