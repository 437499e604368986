"""What a dense model answered, kept on disk where asking it took long: half of what a person waits for who comes back
with the same model and images.

By the model's weights, the images with their labels, the device and torch; the newest few stay. A file that cannot be
written or read is as good as none.
Next door: `streaming` asks; `kept_moments` keeps what layers saw.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open

from ..measure import Predictions, device
from ..types import LabelledImages, home
from . import kept_moments, precision
from .opened import Opened, Trial

LONG = 10.0  # seconds of asking from which answers are kept
_FORM = 1  # to be raised whenever answers come about in another way
_MOST = 32  # files, of some 30 KB for 1,000 images


def path_of(opened: Opened, data: LabelledImages) -> Path:
    """Where they lie."""
    labels = hashlib.sha256(np.ascontiguousarray(data.labels).tobytes()).hexdigest()
    what = [_FORM, opened.info.fingerprint, data.name, labels, device().type, torch.__version__]
    return home() / "answers" / f"{hashlib.sha256(json.dumps(what).encode()).hexdigest()[:32]}.safetensors"


def recall(opened: Opened, data: LabelledImages) -> None:
    """Take up what is kept of a model that nobody has asked about these images since it was opened, with the precision
    that was found best for it, or how far it was tried."""
    if data.name in opened.dense:
        return
    with suppress(OSError, SafetensorError, KeyError, ValueError, TypeError):
        with safe_open(path_of(opened, data), "numpy") as file:
            about, arrays = file.metadata(), {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        found, bf16 = Predictions(**arrays, seconds=float(about["seconds"])), about["bf16"] == "True"
        whole = 0 < len(found.classes) <= len(data) and len({len(array) for array in arrays.values()}) == 1
        if whole and (not opened.note or opened.bf16 == bf16):
            precision.settle_as(opened, about["note"], bf16)
            opened.dense[data.name] = found
            opened.trials[data.name] = Trial(**json.loads(about["trial"]))


def keep(opened: Opened, data: LabelledImages, before: int) -> None:
    """Keep what is known of these images, if that took long and is more than the `before` images known before."""
    known = opened.dense.get(data.name)
    if known is None or known.seconds < LONG or len(known.classes) <= before:
        return
    arrays = {key: np.ascontiguousarray(value) for key, value in asdict(known).items() if key != "seconds"}
    trial = json.dumps(asdict(opened.trials.get(data.name, Trial())))
    about = {"seconds": str(known.seconds), "bf16": str(opened.bf16), "note": opened.note, "trial": trial}
    kept_moments.put(path_of(opened, data), arrays, about, _MOST)
