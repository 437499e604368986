"""Small random changes of training images by name: float images [B, C, H, W] of 0 to 1 in, others like them out.

Drawn from the global generators (torch's; RandAugment's from Python's and numpy's), so that a seed repeats them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch
from PIL import Image
from timm.data.auto_augment import rand_augment_transform
from torch.nn import functional as F

RAND_AUGMENT = "rand-m7-n1-mstd0.5-inc1"


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


def flips(images: torch.Tensor) -> torch.Tensor:
    """Half of the images [B, C, H, W] mirrored left to right, then shifted; for photographs."""
    mirrored = torch.rand(len(images)) < 0.5
    return shifts(torch.where(mirrored[:, None, None, None], images.flip(-1), images))


def photos(images: torch.Tensor) -> torch.Tensor:
    """For training on photographs from scratch: half mirrored, each image shifted by up to an eighth of its side, then
    changed by one operation of timm's RandAugment (Cubuk et al. 2020, arXiv 1909.13719)."""
    count, _, height, width = images.shape
    mirrored = torch.rand(count) < 0.5
    images = torch.where(mirrored[:, None, None, None], images.flip(-1), images)
    most = max(1, min(height, width) // 8)
    padded = F.pad(images, (most,) * 4, mode="reflect")
    down, right = torch.randint(0, 2 * most + 1, (2, count, 1, 1))
    rows, columns = down + torch.arange(height)[:, None], right + torch.arange(width)
    moved = padded[torch.arange(count)[:, None, None], :, rows, columns]  # [B, H, W, C]
    pixels = moved.mul(255).round().to(torch.uint8).numpy()
    change = _rand_augment(most)
    changed = [np.asarray(change(Image.fromarray(image))) for image in pixels]
    return torch.from_numpy(np.stack(changed)).permute(0, 3, 1, 2).float().div(255)


@cache
def _rand_augment(most: int) -> Any:
    return rand_augment_transform(RAND_AUGMENT, {"translate_const": most, "img_mean": (128, 128, 128)})


AUGMENTS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "none": lambda images: images,
    "affine": affine,
    "shifts": shifts,
    "flips": flips,
    "photos": photos,
}
