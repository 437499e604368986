"""How long judging a model takes on this machine, and batches short enough for others to get their turn.

Next door: `precision` says whether bf16 may be used, `streaming` judges slow models so that numbers come soon.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import partial
from itertools import chain, repeat

import torch

from ..measure import cost_report, in_precision
from ..types import LabelledImages, duration
from .opened import Opened

SLOW = 3e11  # MACs for all images of the dense model: some ten seconds of one core
_STEP = 1.0  # seconds that a batch of a slow model may take: others wait for it


def seconds_an_image(opened: Opened) -> float:
    """Seconds that the dense model takes for an image of a batch, measured now on two images, after one to set up."""
    first = next(opened.model.parameters())
    side = opened.info.input_size
    run = in_precision(opened.model, None, opened.bf16)
    for count in (1, 2):
        images = torch.zeros(count, opened.info.channels, side, side, device=first.device)
        begun = time.perf_counter()
        with torch.inference_mode():
            run(None, partial(torch.clone, images)).sum().item()  # waits for the device
        spent = (time.perf_counter() - begun) / count
    return spent


def slow(opened: Opened, data: LabelledImages) -> bool:
    """Whether judging the dense model takes so long that a cut is judged beside it.

    By MACs, so that the same is done whatever else the machine does; the time is measured once, for those that are.
    """
    if cost_report(opened.anatomy).total.macs * len(data) < SLOW:
        return False
    if not opened.seconds:
        opened.seconds = seconds_an_image(opened)
    return True


def told(seconds: float, images: int) -> str:
    """ "about 6 min for 1,000 images on this machine"."""
    return f"about {duration(seconds)} for {images:,} images on this machine"


def batches(opened: Opened) -> Iterable[int]:
    """Sizes of a slow model's batches, a small one first; per image they are as fast as large ones."""
    return chain((2,), repeat(max(2, min(opened.sizes[0], int(_STEP / max(opened.seconds, 1e-9))))))
