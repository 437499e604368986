"""What each criterion costs: reading images, once for all that need the same, then scoring. The table of RESULTS.md.

    python -m benchmarks.evidence [MODEL ...]

CPU seconds of one thread for the default of 256 training images. Bundled models read their own; timm's get random
weights and images of noise, which take the same time as real ones: reading is timed on a few and given for 256.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from dimap_core import pipeline
from dimap_core.criteria import CRITERIA, attribute, collect, feel, observe
from dimap_core.data import load_data
from dimap_core.types import LabelledImages, PruningPlan

from .measured import command_line, store, table

MODELS = ("swin-textured", "swin_tiny_patch4_window7_224", "deit_small_patch16_224")
IMAGES = PruningPlan.images
READ = {"statistics": (collect, 32), "attributions": (attribute, 16), "moments": (observe, 32), "fisher": (feel, 32)}
"""Kind of evidence -> what gathers it, and how many images of timm's models are timed."""


def training_images(opened: pipeline.Opened) -> LabelledImages:
    """The model's own, or noise."""
    if opened.info.data is not None:
        return load_data(opened.info.data, "train")
    rng, side = np.random.default_rng(0), opened.info.input_size
    images = rng.integers(0, 256, (32, 3, side, side), dtype=np.uint8)
    return LabelledImages("noise", images, np.arange(32) % 8, tuple("abcdefgh"))


def spent(function: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds and result."""
    begun = time.process_time()
    found = function()
    return time.process_time() - begun, found


def measure(name: str) -> dict[str, list[str]]:
    """Criterion -> seconds to read 256 images, to score weights, to score structures; reading first."""
    opened = pipeline.open_model(name, "random" if "_" in name else "pretrained")
    data, read = training_images(opened), {"": (0.0, None)}
    info = replace(opened.info, data=data.name)
    for evidence, (gather, few) in READ.items():
        asked = IMAGES if opened.info.data else few
        seconds, steps = spent(lambda: list(gather(opened.model, info, data, opened.anatomy, images=asked)))  # noqa: B023
        read[evidence] = seconds * IMAGES / asked, steps[-1][2]
    cells = {}
    for row in CRITERIA:
        seconds, found = read[row.evidence]
        cells[row.label] = [f"{seconds:.3g}" if row.evidence else "–"]
        for granularity in ("weight", "structure"):
            score = lambda: row.fn(opened.model, opened.anatomy, granularity, found, 0)  # noqa: B023, E731
            cells[row.label].append(f"{spent(score)[0]:.2g}" if granularity in row.scores else "–")
    return cells


def main() -> None:
    """Measure and print a table."""
    parser = command_line(__doc__, MODELS)
    names = parser.parse_args().models
    torch.set_num_threads(1)
    found = {name: measure(name) for name in names}
    columns = [f"CPU s: read {IMAGES} images + score weights / structures", *(f"`{name}`" for name in names)]
    rows = []
    for info in CRITERIA:
        costs = (found[name][info.label] for name in names)
        rows.append([info.label, *(f"{read} + {weights} / {groups}" for read, weights, groups in costs)])
    print(table(columns, rows))
    store("evidence", columns, rows)


if __name__ == "__main__":
    main()
