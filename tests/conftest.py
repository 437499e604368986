"""Shared fixtures: a tiny ViT and a tiny Swin (0.02 s to build), random and quantised. Tests must not change them."""

import copy
from dataclasses import replace

import pytest
import timm
import torch
from torch import nn

from dimap_core.anatomy import build_anatomy
from dimap_core.models import HALF, fingerprint
from dimap_core.pipeline import Opened, open_model
from dimap_core.types import Family, ModelInfo

torch.set_num_threads(1)

_TINY = {
    "swin": (
        "swin_tiny_patch4_window7_224",
        {"patch_size": 2, "window_size": 4, "embed_dim": 8, "depths": (1, 2), "num_heads": (2, 4)},
    ),
    "deit": ("deit_tiny_patch16_224", {"patch_size": 8, "embed_dim": 16, "depth": 6, "num_heads": 4}),
}


def make_tiny(family: Family, **overrides: object) -> nn.Module:
    """A few thousand weights in the architecture of the family; takes the digits' 32x32 images and 10 classes."""
    name, kwargs = _TINY[family]
    torch.manual_seed(0)
    return timm.create_model(name, img_size=32, num_classes=10, **{**kwargs, **overrides}).eval()


def opened(model: nn.Module, family: Family) -> Opened:
    """`model` as the pipeline would open it; it passes as trained on the digits."""
    digits = tuple(str(digit) for digit in range(10))
    info = ModelInfo(f"tiny-{family}", family, "bundled", "trained", 32, HALF, HALF, digits, fingerprint(model))
    return Opened(model, replace(info, data="digits"), build_anatomy(model, family))


def quantised(model: nn.Module) -> nn.Module:
    """A copy whose weights are small multiples of 1/8: very many ties and zeros, and squares that add up exactly."""
    rounded = copy.deepcopy(model)
    for parameter in rounded.parameters():
        parameter.data = (parameter.data * 50).round().clamp(-16, 16) / 8
    return rounded


@pytest.fixture(scope="session", params=["swin", "deit"])
def tiny(request: pytest.FixtureRequest) -> Opened:
    """A tiny Swin, then a tiny ViT."""
    return opened(make_tiny(request.param), request.param)


@pytest.fixture(scope="session")
def tiny_ties(tiny: Opened) -> Opened:
    """The tiny model with quantised weights."""
    return opened(quantised(tiny.model), tiny.info.family)


@pytest.fixture(scope="session")
def tiny_swin() -> Opened:
    """The tiny Swin alone, for tests that need one model and no second."""
    return opened(make_tiny("swin"), "swin")


@pytest.fixture(scope="session")
def swin_t() -> Opened:
    """Swin-T with random weights, seed 0."""
    return open_model("swin_tiny_patch4_window7_224", "random")
