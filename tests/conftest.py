"""Shared fixtures: a tiny ViT and a tiny Swin (0.02 s to build), random and quantised. Tests must not change them."""

import copy
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest
import timm
import torch
from hypothesis import settings
from torch import nn
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from dimap_core.anatomy.build import build_anatomy
from dimap_core.cli.commands import main
from dimap_core.models.named_models import HALF, fingerprint
from dimap_core.pipeline.opened import Opened, open_model
from dimap_core.types.model import Family, ModelInfo

torch.set_num_threads(1)
# Same examples in every run, no time limits, nothing written to disk.
settings.register_profile("core", deadline=None, derandomize=True, database=None)
settings.load_profile("core")

APART = {
    "architecture", "catalogue", "classroom", "cli", "client", "cluster", "containers", "contributing", "data", "fetch",
    "figures",
    "figures_lessons", "figures_predictions", "figures_story", "figures_way", "files", "hostile_files",
    "hostile_images", "hub", "jobs", "methods", "model_map", "package", "places", "plan", "readme", "recovery",
    "photographs", "report_command", "repository", "reproduce", "search_state", "slides",
    "sessions", "shared_processes", "shared_studies", "studies_command", "threads", "ui_rooms", "uploads",
    "worker_images", "writing",
}  # fmt: skip
"""About processes, files, pictures and whole trainings; all others compare numbers, and are run once more by other
kernels."""


SERVERS = ("tests/pages", "tests/browser")
"""Each has a server with its worker process for all its tests, so that one process runs them all: a second one would
start, open and compute the same again."""

LONG = ("service/test_jobs", "training/", "models/", "studies/", "cut/", "service/", "cli/", "pipeline/")
"""What takes longest begins first, so that the processes end together; after the servers' tests."""


class _ByServer(LoadFileScheduling):
    """Hands out file by file, but all of a server's tests at once."""

    def _split_scope(self, nodeid: str) -> str:
        return next((folder for folder in SERVERS if nodeid.startswith(f"{folder}/")), super()._split_scope(nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> _ByServer:
    """Takes the place of `--dist loadfile`."""
    return _ByServer(config, log)


def _turn(item: pytest.Item) -> int:
    """When an item's file begins, counted from 0."""
    starts = (*(f"{folder}/" for folder in SERVERS), *(f"tests/{name}" for name in LONG))
    return next((at for at, start in enumerate(starts) if item.nodeid.startswith(start)), len(starts))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what compares numbers, and put what takes longest first."""
    for item in items:
        if item.path.parent.name not in ("pages", "browser") and item.path.stem.removeprefix("test_") not in APART:
            item.add_marker("numbers")
    items.sort(key=_turn)


_TINY = {
    "swin": (
        "swin_tiny_patch4_window7_224",
        {"patch_size": 2, "window_size": 4, "embed_dim": 8, "depths": (1, 2), "num_heads": (2, 4)},
    ),
    "deit": ("deit_tiny_patch16_224", {"patch_size": 8, "embed_dim": 16, "depth": 6, "num_heads": 4}),
}


def _make_tiny(family: Family, **overrides: object) -> nn.Module:
    """A few thousand weights in the architecture of the family; takes the digits' 32x32 images and 10 classes."""
    name, kwargs = _TINY[family]
    torch.manual_seed(0)
    model = timm.create_model(name, **{"img_size": 32, "num_classes": 10, **kwargs, **overrides}).eval()
    for parameter in model.parameters():
        if parameter.ndim > 1:
            parameter.data *= 10  # timm's initial weights are so small that every image gets the same answer
    return model


def _opened(model: nn.Module, family: Family) -> Opened:
    """`model` as the pipeline would open it from a file; it passes as trained on the digits."""
    digits = tuple(str(digit) for digit in range(10))
    info = ModelInfo(f"tiny-{family}", family, "file", "trained", 32, HALF, HALF, digits, fingerprint(model))
    architecture, sizes = _TINY[family]
    settings = {key: [*value] if isinstance(value, tuple) else value for key, value in sizes.items()}
    settings |= {"img_size": 32, "num_classes": 10}
    if "window_size" in settings:
        settings["window_size"] = [sizes["window_size"]] * len(sizes["depths"])  # as a card tells it
    info = replace(info, data="digits", architecture=architecture, settings=settings)
    return Opened(model, info, build_anatomy(model, family))


def _quantised(model: nn.Module) -> nn.Module:
    """A copy whose weights are small multiples of 1/8: very many ties and zeros, and squares that add up exactly."""
    rounded = copy.deepcopy(model)
    for parameter in rounded.parameters():
        parameter.data = (parameter.data * 5).round().clamp(-16, 16) / 8
    return rounded


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """call("models", "--json") -> (exit code, stdout, stderr) of the command line, in this process."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["dimap_core", *map(str, arguments)])
        with pytest.raises(SystemExit) as leaving:
            main()
        return leaving.value.code, *capsys.readouterr()

    return run


@pytest.fixture(scope="session")
def make_tiny() -> Callable[..., nn.Module]:
    """make_tiny("swin" | "deit", **overrides) -> a fresh tiny model."""
    return _make_tiny


@pytest.fixture(scope="session")
def opened() -> Callable[[nn.Module, Family], Opened]:
    """opened(model, family) -> the model as the pipeline would open it."""
    return _opened


@pytest.fixture(scope="session")
def quantised() -> Callable[[nn.Module], nn.Module]:
    """quantised(model) -> a copy with very many ties."""
    return _quantised


@pytest.fixture(scope="session", params=["swin", "deit"])
def tiny(request: pytest.FixtureRequest) -> Opened:
    """A tiny Swin, then a tiny ViT."""
    return _opened(_make_tiny(request.param), request.param)


@pytest.fixture(scope="session")
def tiny_ties(tiny: Opened) -> Opened:
    """The tiny model with quantised weights."""
    return _opened(_quantised(tiny.model), tiny.info.family)


@pytest.fixture(scope="session")
def tiny_swin() -> Opened:
    """The tiny Swin alone, for tests that need one model and no second."""
    return _opened(_make_tiny("swin"), "swin")


@pytest.fixture(scope="session")
def swin_t() -> Opened:
    """Swin-T with random weights, seed 0."""
    return open_model("swin_tiny_patch4_window7_224", "random")
