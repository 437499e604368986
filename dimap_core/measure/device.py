"""The one place that chooses where models run: a CUDA GPU if there is one, else the processor; DIMAP_DEVICE overrides.

Apple's "mps" is taken only when it is asked for: it evaluates, but has no float64, which repair and criteria that read
images need. Whatever runs a model reads the device from its parameters.
Next door: `pipeline` moves what it opens there, `latency` measures there.
"""

from __future__ import annotations

import os

import torch

from ..types import DataError

SETTING = "DIMAP_DEVICE"


def device() -> torch.device:
    """Where models run; raises DataError where the setting names no device of this machine."""
    wanted = os.environ.get(SETTING, "").strip().lower() or ("cuda" if torch.cuda.is_available() else "cpu")
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there.get(wanted.partition(":")[0], False):
        present = ", ".join(name for name, found in there.items() if found)
        raise DataError(f"{SETTING} is '{wanted[:40]}', which this machine does not have; it has {present}.")
    try:
        return torch.device(wanted)
    except RuntimeError:
        raise DataError(f"{SETTING} is '{wanted[:40]}', which is no device; write it like cuda or cuda:1.") from None
