"""SPViT on its pages: a search is asked for and drawn, published architectures are listed, and a model whose attention
became convolutions is at home on every page."""

import shutil

import numpy as np
import pytest

from dimap_core import pipeline
from dimap_core.cut.convolution import fold
from dimap_core.cut.derivation import derived
from dimap_core.cut.slicing import kept_sizes
from dimap_core.models import checkpoints
from pages.ui.session import cache


@pytest.fixture
def convolved(tmp_path, monkeypatch):
    """The zip of a Swin whose first stage has no attention at all."""
    monkeypatch.setenv("DIMAP_ROOTS", str(tmp_path))
    opened = pipeline.open_model("swin-digits")
    names = [block.name for block in opened.anatomy.blocks]
    mixers = {names[0]: "conv3", names[1]: "skip", names[2]: "conv1"}
    hidden = {b.name: np.arange(b.part("mlp.fc1").shape[0] - 4) for b in opened.anatomy.blocks}
    model = fold(derived(opened.model, opened.anatomy, mixers, hidden)).eval()
    card = {"model": "swin-digits", "weights": "trained", "mixers": mixers, "kept": kept_sizes(model, opened.anatomy)}
    checkpoints.write(tmp_path / "made", model.state_dict(), card)
    return shutil.make_archive(str(tmp_path / "made"), "zip", tmp_path / "made")


def test_a_model_with_convolutions_is_drawn_on_every_page(open_app, convolved):
    app = open_app(model=f"file:{convolved}", granularity="structure", ratio="0.3").judged()
    assert app.notices == [] and "n = 540" in app.metric(2)
    for page in ("weights", "importance", "predictions", "export", "recover"):
        app.page(page)
        assert app.notices == []
        if page == "importance":
            assert any("took the place of attention" in text for text in app.texts())
    app.set("recover_method", "spvit")
    assert any("needs softmax attention in every block" in text for text in app.texts())
    app = open_app(model=f"file:{convolved}", ratio="0.3").live().page("importance").page("weights")
    assert app.notices == []


def test_a_search_is_asked_for_and_what_it_found_is_drawn(open_app, own_home):
    app = open_app(model="deit-digits").live().page("recover")
    app.until(lambda: any(button.label == "Start training" for button in app.at.button), "the controls")
    app.set("recover_method", "spvit").set("spvit_target", 30).set("spvit_distill", True)
    assert any("body was not read" in text for text in app.texts())
    assert any("8.3" in str(table.value) for table in app.at.dataframe)
    app.click("Start the search")
    (token,) = app.at.session_state["jobs"]
    asked = cache.kept_jobs().find(token).request["search"]
    assert (asked["target"], asked["finetuning"]["distill"], asked["compare"]) == (0.3, "soft", True)
    app.click("Stop")
    chances = {"conv1": 0.9, "conv3": 0.8, "softmax": 0.2}
    blocks = [{"mixer": "conv3", "hidden": 96, "of": 384, "chances": chances}] * 8
    share = {"top1_before": 0.9, "top1_before_ci95": [0.8, 0.95], "top1_after": 0.95, "top1_after_ci95": [0.9, 0.98]}
    change = {"gain": [0.05, 0.01, 0.09], "against_dense": [-0.04, -0.08, -0.01]}
    row = {"key": "spvit", "top1": 0.95, "ci95": [0.9, 0.98], "macs": 9, "params": 9, "seconds": 9.0, "n": 540,
           "top1_before": 0.9}  # fmt: skip
    rival = {**row, "key": "random", "difference": [0.01, -0.01, 0.02]}
    hidden = {f"blocks.{i}": 96 for i in range(8)}
    found = {
        "blocks": blocks, "met": False, "mixers": {"blocks.0": "conv3"}, "hidden": hidden,
        "macs_removed": 0.35, "params_removed": 0.3, "latency_removed": 0.3, "latency": {"batch_size": 16},
        "search_steps": 100, "pictures": {"blocks.0": {"attention": np.eye(7).tolist(), "kernel": np.eye(3).tolist()}},
        "comparison": {"rows": [row, rival, {"key": "one-shot", "why": "cannot"}], "verdict": "It did not."},
    }  # fmt: skip
    ledger = cache.kept_jobs().ledger
    assert ledger.move(token, "running", "cancelled")
    result = {**share, **change, **found, "n": 540, "model": "deit-digits", "params": 1, "macs": 1, "out": "nowhere"}
    ledger.finish(token, result)
    app.run()
    bars = next(trace for trace in app.figure(f"path_{token}")["data"] if trace["type"] == "bar")
    assert bars["text"][0] == "96 of 384"
    assert [trace["type"] for trace in app.figure(f"kernels_{token}")["data"]] == ["heatmap"] * 2
    told = " ".join(app.texts())
    assert "It did not." in told and "was not met" in told and "cannot" in told


def test_a_published_architecture_is_opened_and_says_what_it_is(open_app):
    app = open_app(model="spvit-deit-ti", weights="random").live()
    assert app.notices == [] and "4.77 M" in app.metric(0) and "1.04 G" in app.metric(1)
    assert any("accuracy means nothing before training" in text for text in app.texts())
