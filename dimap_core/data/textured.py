"""Textured digits: real handwriting as a silhouette, filled and surrounded by a procedural texture.

Ten digits x four textures = 40 classes, 64x64 RGB. The digit is the global cue (its shape spans the image), the
texture the local one (a few pixels tell it). Colours, contrast, position, rotation and scale vary, so neither mean
colour nor single pixels give a cue away. Every image comes from one seed; validation images use validation
handwriting only. The handwriting is real, the textures are drawn: this is a teaching set and is called one.
"""

import math

import numpy as np
import torch
from torch.nn import functional as F

from ..types import LabelledImages
from .digits import NAMES, handwriting

SIZE = 64
TEXTURES = ("rows", "columns", "checks", "blocks")
COPIES = {"train": 10, "val": 2}
SEEDS = {"train": 1, "val": 2}
_CHUNK = 1257


def load(split: str) -> LabelledImages:
    """`COPIES[split]` images of each handwritten digit; labels are digit * 4 + texture."""
    ink, digits = handwriting()[split]
    rng = np.random.default_rng(SEEDS[split])
    ink, digits = np.tile(ink, (COPIES[split], 1, 1)), np.tile(digits, COPIES[split])
    # Each texture occurs equally often, in an order that does not depend on the writer.
    textures = rng.permutation(np.arange(len(digits)) % len(TEXTURES))
    images = np.empty((len(digits), 3, SIZE, SIZE), dtype=np.uint8)
    for start in range(0, len(digits), _CHUNK):
        part = slice(start, start + _CHUNK)
        images[part] = _render(torch.from_numpy(ink[part]), torch.from_numpy(textures[part]), rng)
    names = tuple(f"{digit} on {texture}" for digit in NAMES for texture in TEXTURES)
    classes = np.arange(len(names))
    cues = {"digit": classes // len(TEXTURES), "texture": classes % len(TEXTURES)}
    labels = digits * len(TEXTURES) + textures
    return LabelledImages("textured-digits", images, labels, names, cues, {"digit": NAMES, "texture": TEXTURES})


def _render(ink: torch.Tensor, textures: torch.Tensor, rng: np.random.Generator) -> np.ndarray:
    """ink [N, 8, 8], textures [N] -> uint8 [N, 3, 64, 64]."""
    count = len(ink)
    shape, pattern = _silhouette(ink, rng), _pattern(textures, rng)
    ground = _uniform(rng, 0.12, 0.45, count, 3)
    # The figure is always brighter than its ground, in a colour of its own.
    figure = ground + _uniform(rng, 0.25, 0.5, count, 3)
    contrast = _uniform(rng, 0.14, 0.5, count, 1, 1)
    wave = contrast * pattern
    on_ground = ground[..., None, None] * (1 + wave)[:, None]
    on_figure = figure[..., None, None] * (1 + 0.5 * wave)[:, None]
    image = on_ground + shape[:, None] * (on_figure - on_ground)
    noise = torch.from_numpy(rng.standard_normal(image.shape, dtype=np.float32))
    image = image + _uniform(rng, 0.01, 0.07, count, 1, 1, 1) * noise
    return (image.clamp(0, 1) * 255).round().to(torch.uint8).numpy()


def _silhouette(ink: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Rotated, scaled and shifted ink with soft edges, [N, 64, 64] on a 0..1 scale."""
    count = len(ink)
    angle, scale = _uniform(rng, -0.3, 0.3, count), _uniform(rng, 0.95, 1.35, count)
    shift = _uniform(rng, -3 / 16, 3 / 16, count, 2)
    cos, sin = torch.cos(angle) / scale * 1.25, torch.sin(angle) / scale * 1.25
    theta = torch.stack([torch.stack([cos, -sin, shift[:, 0]], -1), torch.stack([sin, cos, shift[:, 1]], -1)], 1)
    grid = F.affine_grid(theta, [count, 1, SIZE, SIZE], align_corners=False)
    smooth = F.grid_sample(ink[:, None], grid, mode="bicubic", align_corners=False)[:, 0]
    return torch.sigmoid((smooth - 0.45) * 14)


def _pattern(textures: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """The texture's wave on a -1..1 scale, [N, 64, 64]."""
    count = len(textures)
    period, phase = _uniform(rng, 8, 13, count, 1, 1), _uniform(rng, 0, 2 * math.pi, count, 2, 1, 1)
    tilt = _uniform(rng, -0.2, 0.2, count, 1, 1)
    axis = torch.arange(SIZE, dtype=torch.float32)
    y, x = axis[None, :, None], axis[None, None, :]
    across, along = x * torch.cos(tilt) + y * torch.sin(tilt), y * torch.cos(tilt) - x * torch.sin(tilt)
    columns = torch.sin(2 * math.pi * across / period + phase[:, 0])
    rows = torch.sin(2 * math.pi * along / period + phase[:, 1])
    cells = torch.from_numpy(rng.uniform(-1, 1, (count, 1, SIZE // 4, SIZE // 4)).astype(np.float32))
    blocks = F.interpolate(cells, scale_factor=4, mode="nearest")[:, 0]
    every = torch.stack([rows, columns, torch.sign(rows * columns), blocks], 1)
    return every[torch.arange(count), textures]


def _uniform(rng: np.random.Generator, low: float, high: float, *shape: int) -> torch.Tensor:
    return torch.from_numpy(rng.uniform(low, high, shape).astype(np.float32))
