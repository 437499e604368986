"""The unit that learners refit by hand (lesson 5): assets/fit.json.

    python -m benchmarks.fit   gather, choose, write assets/fit.json, print what was chosen

From swin-textured and 200 of its training images, of every class nearly as many (seed 0); of each one token, drawn by
seed 0. In the model's first layer every unit keeps the two largest of its weights; chosen is the unit that a least-
squares fit of those two brings nearest to its dense output, and what the fit brings to the layer's middle unit is kept
beside it.
"""

from __future__ import annotations

import json

import numpy as np
import torch

from dimap_core import pipeline
from dimap_core.data import balanced_subset, normalised
from dimap_core.studies import exercises
from dimap_core.types import ASSETS, whole_file

MODEL, IMAGES, SEED = "swin-textured", 200, 0
DIGITS = 6  # significant, about as many as float32 has


def inputs(opened: pipeline.Opened, name: str, images: np.ndarray) -> np.ndarray:
    """What a layer sees: one token of each image, float64 [n, in]."""
    seen: list[torch.Tensor] = []
    hook = opened.model.get_submodule(name).register_forward_hook(lambda _, given, __: seen.append(given[0]))
    with torch.inference_mode():
        opened.model(normalised(opened.info, images))
    hook.remove()
    tokens = seen[0].reshape(len(images), -1, seen[0].shape[-1]).double().numpy()  # windows of an image in a row
    drawn = np.random.default_rng(SEED).integers(0, tokens.shape[1], len(images))
    return tokens[np.arange(len(images)), drawn]


def unit(x: np.ndarray, weight: np.ndarray, row: int) -> dict:
    """What is kept of one unit; its two largest weights stay."""
    kept = np.sort(np.argsort(-np.abs(weight[row]), kind="stable")[:2])
    points = np.column_stack([x[:, kept], x @ weight[row]])
    rounded = [[float(f"{value:.{DIGITS}g}") for value in line] for line in points]
    return {"unit": row, "of": weight.shape[1], "inputs": kept.tolist(), "kept": weight[row, kept].tolist(),
            "points": rounded}  # fmt: skip


def main() -> None:
    """Gather, choose, write."""
    opened = pipeline.open_model(MODEL)
    data, name = pipeline.training_data(opened), opened.anatomy.prunable[0].name
    x = inputs(opened, name, data.images[balanced_subset(data.labels, IMAGES, SEED)])
    weight = opened.model.get_parameter(f"{name}.weight").detach().double().numpy()
    about = {"model": MODEL, "data": data.name, "layer": name, "middle": [0.0, 0.0]}
    units = [about | unit(x, weight, row) for row in range(len(weight))]
    fits = [exercises.of_json(one) for one in units]
    errors = np.array([[fit.error(fit.kept), fit.error(fit.best)] for fit in fits])
    chosen = int(errors[:, 1].argmin())
    found = units[chosen] | {"middle": np.median(errors, axis=0).round(4).tolist()}
    with whole_file(ASSETS / "fit.json") as part:
        part.write_text(json.dumps(found) + "\n", encoding="utf-8")
    print(f"{name}, unit {chosen} and the middle one lose {errors[chosen].round(3)} and {found['middle']}")


if __name__ == "__main__":
    main()
