"""CONTRIBUTING.md shows what works: each example is taken from it, registered for one test, and run."""

import importlib
import inspect
import re
import sys
import textwrap
from dataclasses import asdict
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import timm
import torch
import typer
from safetensors.torch import save_file
from streamlit.testing.v1 import AppTest

from dimap_core import pipeline
from dimap_core.cli import search
from dimap_core.criteria import registry as criteria
from dimap_core.data import registry as image_sets, sets
from dimap_core.figures.look import Look
from dimap_core.measure.cost import cost_report
from dimap_core.models.files import layouts
from dimap_core.models.load import load_model
from dimap_core.service import runner
from dimap_core.training.methods import registry as methods
from dimap_core.training.settings import preset_settings
from dimap_core.types.plan import PruningPlan
from pages.ui.look import frame
from tests.criteria import test_criteria as contract
from tests.helpers import same
from tests.training.test_methods import check_row

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCKS = "\n".join(re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL))
PART = r"^# (file|row of the door|row of \w+ in) (\S+)\n(.*?)(?=^# (?:file|row of)|\Z)"
PARTS = re.findall(PART, BLOCKS, re.DOTALL | re.MULTILINE)
FILES = {path: code for kind, path, code in PARTS if kind == "file"}
ROWS = {path: (kind.split()[2], code) for kind, path, code in PARTS if kind != "file"}


def file(monkeypatch, path):
    """The example's file as the module that it would be."""
    name = path.removesuffix(".py").replace("/", ".")
    module = ModuleType(name)
    module.__package__, _, last = name.rpartition(".")
    monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(importlib.import_module(module.__package__), last, module, raising=False)
    exec(compile(FILES[path], path, "exec"), vars(module))
    return module


def row(monkeypatch, path, registry, *files):
    """The example's row, at the end of its registry."""
    registered, code = ROWS[path]
    names = {module.__name__.rpartition(".")[2]: module for module in files}
    made = eval(textwrap.dedent(code).strip(), {**vars(registry), **names})
    monkeypatch.setattr(registry, registered, (*getattr(registry, registered), made))
    return made


def test_every_example_is_run_and_every_place_that_is_named_exists():
    assert len(FILES) == 5 and len(ROWS) == 6
    assert not [path for path in FILES if (ROOT / path).exists()] and all((ROOT / path).exists() for path in ROWS)
    named = {path for path in re.findall(r"`([\w/]+\.py)`", TEXT) if "/" in path}
    assert named and all((ROOT / path).exists() for path in named)
    assert len(TEXT.splitlines()) <= 160 and max(map(len, TEXT.splitlines())) <= 120


def test_the_criterion_scores_and_keeps_the_contract(monkeypatch, tiny, tiny_ties, quantised):
    relative = file(monkeypatch, "dimap_core/criteria/relative.py")
    info = row(monkeypatch, "dimap_core/criteria/registry.py", criteria, relative)
    given = {
        "tiny": tiny,
        "tiny_ties": tiny_ties,
        "quantised": quantised,
        "evidence": {},
        "key": info.key,
        "info": info,
    }
    ran = [test for name, test in vars(contract).items() if name.startswith("test_") and of_every_row(test)]
    for test in ran:
        test(**{name: given[name] for name in inspect.signature(test).parameters})
    assert len(ran) >= 7
    opened = pipeline.open_model("deit-digits")
    smaller, *_ = pipeline.prune(opened, PruningPlan("relative", "structure", "module", 0.5))
    judged = [sum(weight.numel() for weight in model.parameters()) for model in (smaller, opened.model)]
    assert judged[0] < 0.7 * judged[1]


def of_every_row(test):
    """Whether a contract test runs over all criteria, or over all that score single weights or groups."""
    marks = [mark for mark in getattr(test, "pytestmark", []) if mark.name == "parametrize"]
    return any(mark.args[1] is rows for mark in marks for rows in (criteria.CRITERIA[:-1], *CONTRACTS))


CONTRACTS = (contract.CRITERIA, contract.KEYS, contract.GROUP_KEYS)


def test_the_image_set_loads_and_is_known_by_its_name(monkeypatch):
    stripes = file(monkeypatch, "dimap_core/data/stripes.py")
    info = row(monkeypatch, "dimap_core/data/registry.py", image_sets)
    train, val = (image_sets.load_data(info.key, split) for split in ("train", "val"))
    for data, (count, _) in zip((train, val), stripes.SPLITS.values(), strict=True):
        assert data.name == info.key and data.images.shape == (count, 3, 32, 32) and data.images.dtype == np.uint8
        assert set(data.labels) == {0, 1} == set(range(len(data.class_names)))
    assert not {image.tobytes() for image in train.images} & {image.tobytes() for image in val.images}
    upright = val.images[val.labels == 0].astype(int)
    assert (np.diff(upright, axis=2) == 0).all() and (np.diff(upright, axis=3) != 0).any()
    assert preset_settings("suited", info.key, {}).augment == info.augment
    assert sorted(sets.place(info).folders("")) == ["train", "val"]


@pytest.fixture
def sizes(monkeypatch):
    """The example's figure, shown by the door."""
    figures = importlib.import_module("dimap_core.figures")
    file(monkeypatch, "dimap_core/figures/sizes.py")
    shown: dict = {"__package__": "dimap_core.figures"}
    exec(ROWS["dimap_core/figures/__init__.pyi"][1], shown)
    monkeypatch.setattr(figures, "sizes", shown["sizes"])
    return shown["sizes"]


@pytest.mark.parametrize("look", [Look(), Look(dark=True, size=20)])
def test_the_figure_builds_with_every_number_in_it(sizes, look):
    figure = sizes({"one": 1_500_000, "two": 250_000}, look)
    (bars,) = figure.data
    assert list(bars.text) == ["1.50 M", "0.25 M"] and list(bars.x) == [1_500_000, 250_000]
    assert figure.layout.font.color == look.ink


def test_the_page_is_drawn(sizes, monkeypatch, tmp_path):
    page = row(monkeypatch, "pages/ui/look/frame.py", frame)
    monkeypatch.setattr(frame, "PAGES", (page,))  # the others wait for a worker
    (tmp_path / "pages").mkdir()
    (tmp_path / f"pages/{page.key}.py").write_text(FILES[f"pages/{page.key}.py"], encoding="utf-8")
    (tmp_path / "app.py").write_text("from pages.ui.look import frame\nframe.navigation().run()\n", encoding="utf-8")
    app = AppTest.from_file(tmp_path / "app.py", default_timeout=60)
    app.session_state["setting"] = "of a session that has begun"
    app.run()
    assert not app.exception
    (chart,) = app.get("plotly_chart")
    assert chart.key == "sizes" and "deit-digits" in chart.proto.spec


def test_the_layout_opens_as_timms_own(monkeypatch, tmp_path):
    layout = row(monkeypatch, "dimap_core/models/files/layouts.py", layouts)
    torch.manual_seed(0)
    model = timm.create_model("deit_tiny_patch16_224").eval()
    state = model.state_dict()
    theirs = {f"backbone.{mmpretrain(name)}".replace("backbone.head", "head"): name for name in state}
    assert layouts.renamed(theirs) == {name: theirs_name for theirs_name, name in theirs.items()}
    save_file({name: state[own] for name, own in theirs.items()}, tmp_path / "theirs.safetensors")
    found, info = load_model(str(tmp_path / "theirs.safetensors"))
    images = torch.randn(1, 3, 224, 224)
    with torch.inference_mode():
        assert info.architecture == "deit_tiny_patch16_224" and same(found(images), model(images)), layout.label


def mmpretrain(name):
    """timm's name of a ViT's parameter as MMPretrain's."""
    pairs = (
        (r"^norm\.", "ln1."), (r"^blocks\.", "layers."), (r"\.norm([12])\.", r".ln\1."),
        (r"embed\.proj\.", "embed.projection."),
        (r"\.mlp\.fc1\.", ".ffn.layers.0.0."), (r"\.mlp\.fc2\.", ".ffn.layers.1."), (r"^head\.", "head.layers.head."),
    )  # fmt: skip
    for pattern, new in pairs:
        name = re.sub(pattern, new, name)
    return name


def test_the_method_is_a_job_that_ends_with_a_smaller_model(monkeypatch, tmp_path, tiny_swin):
    one_shot = file(monkeypatch, "dimap_core/training/methods/one_shot.py")
    method = row(monkeypatch, "dimap_core/training/methods/registry.py", methods, one_shot)
    check_row(method)
    monkeypatch.setattr(runner.pipeline, "open_model", lambda *_, **__: tiny_swin)
    asked = method.suited("digits", 0.3, seconds=0.4)
    *_, event = runner.work(method.key, {"model": "", "weights": "", "search": asdict(asked)}, tmp_path)
    result = event["result"]
    assert result["n"] == 540 and result["macs"] < 0.72 * cost_report(tiny_swin.anatomy).total.macs
    assert Path(result["out"]).is_dir() and typer.main.get_command(as_app(method)).params
    assert search._told(result).startswith("top-1 ")


def as_app(method):
    """The command that the command line would have."""
    app = typer.Typer()
    app.command(method.key)(search.command(method))
    return app
