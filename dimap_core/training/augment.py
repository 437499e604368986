"""Small random changes of training images by name, drawn from torch's global generator, so that a seed repeats them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional as F


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


AUGMENTS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "none": lambda images: images,
    "affine": affine,
    "shifts": shifts,
    "flips": flips,
}
