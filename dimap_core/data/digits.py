"""scikit-learn's real handwritten digits (UCI "Optical Recognition of Handwritten Digits", test part, 1,797 images).

8x8 images of 17 grey levels, split 70/30 by stratified sampling with a fixed seed: 1,257 to train, 540 to validate.
Next door: `textured` builds its images from the same handwriting and the same split.
"""

from functools import lru_cache

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch.nn import functional as F

from ..types import LabelledImages

SIZE = 32
NAMES = tuple(str(digit) for digit in range(10))


@lru_cache(maxsize=1)
def handwriting() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Split -> (ink, labels): ink is float32 [N, 8, 8] on a 0..1 scale, labels int64 [N]."""
    ink, labels = load_digits(return_X_y=True)
    ink = ink.reshape(-1, 8, 8).astype(np.float32) / 16
    train_ink, val_ink, train_labels, val_labels = train_test_split(
        ink, labels.astype(np.int64), test_size=0.3, stratify=labels, random_state=0
    )
    return {"train": (train_ink, train_labels), "val": (val_ink, val_labels)}


def load(split: str) -> LabelledImages:
    """The digits as white ink on black, enlarged to 32x32 by bilinear interpolation, three equal channels."""
    ink, labels = handwriting()[split]
    large = F.interpolate(torch.from_numpy(ink)[:, None], size=(SIZE, SIZE), mode="bilinear", align_corners=False)
    grey = (large * 255).round().to(torch.uint8)
    return LabelledImages("digits", grey.expand(-1, 3, -1, -1).numpy(), labels, NAMES)
