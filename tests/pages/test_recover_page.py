"""The Recover page: a real job from a click to its point on the trade-off, found again by its link."""

import io
import json
import zipfile

import pytest

from pages.ui.recover import job_cards
from pages.ui.session import cache
from tests.helpers import wait

pytestmark = pytest.mark.usefixtures("own_home")


def labels(app):
    return [button.label for button in app.at.button]


def job(app):
    (token,) = app.at.session_state["jobs"]
    return cache.kept_jobs().find(token)


def ended(app):
    """Wait for the end without polling the page: the job has the lowest priority."""
    wait(lambda: job(app).ended, f"the end of {job(app)}")


def test_a_cut_is_trained_and_its_point_joins_the_trade_off(open_app):
    link = {"model": "swin-digits", "granularity": "structure", "macs": "0.7", "criterion": "magnitude"}
    app = open_app(**link).live().page("recover")
    app.until(lambda: "Start training" in labels(app), "the controls")
    app.set("recover_unit", "epochs").set("recover_epochs", 1).click("Start training")
    assert "Stop" in labels(app) and job(app).request["settings"]["epochs"] == 1
    ended(app)
    assert job(app).error is None
    app.run()
    shown = [metric.value for metric in app.at.metric]
    assert shown[1] == f"{100 * job(app).result['top1_after']:.1f} %" and "Remove" in labels(app)
    assert any(chart.key.startswith("learning_") for chart in app.at.get("plotly_chart"))
    again = open_app(**link, jobs=app.url["jobs"]).live()
    ((_, (_, trained)),) = again.feed["plot"]["recovered"]
    assert trained == pytest.approx(job(app).result["top1_after"], abs=6e-5)
    app.click("Remove")
    assert any("Nothing was trained yet" in text for text in app.texts())


def test_what_was_trained_on_other_images_is_not_drawn_among_the_models_own(open_app):
    ledger = cache.kept_jobs().ledger
    result = {"model": "swin-digits", "n": 9, "MACs": 0, "macs": 9_000_000, "params": 500_000}
    result |= {f"top1_{when}{ci}": [0.4, 0.6] if ci else 0.5 for when in ("before", "after") for ci in ("", "_ci95")}
    for request, shown in (({"images": {"source": "folder:/x"}}, False), ({"images": None}, True)):
        token = ledger.add("recover", "t", request)
        ledger.move(token, "running", "waiting")
        ledger.finish(token, result)
        app = open_app(model="swin-digits", jobs=token).live()
        assert bool(app.feed["plot"]["recovered"]) == shown


def test_a_running_job_can_be_stopped_and_gone_on_with(open_app):
    app = open_app(model="swin-digits", ratio="0.9").live().page("recover")
    app.until(lambda: "Start training" in labels(app), "the controls")
    app.click("Start training").click("Stop")
    assert job(app).state == "cancelled" and "Go on" in labels(app) and "Stop" not in labels(app)
    app.click("Go on")
    assert job(app).state in ("waiting", "running")
    app.click("Stop")


def test_what_cannot_be_trained_says_so(open_app):
    app = open_app(model="swin-digits", ratio="0").live().page("recover")
    app.until(lambda: "Start training" in labels(app), "the controls")
    assert next(button for button in app.at.button if button.label == "Start training").disabled
    app = open_app(model="deit_tiny_patch16_224", weights="random", jobs="nonsense").live().page("recover")
    app.until(lambda: any("choose a bundled model" in text for text in app.texts()), "the reason")
    assert app.notices == []


def test_a_search_is_asked_for_and_what_it_kept_is_drawn(open_app):
    app = open_app(model="deit-digits").live().page("recover")
    app.until(lambda: "Start training" in labels(app), "the controls")
    app.set("recover_method", "nvit").set("nvit_target", 30).set("nvit_aware", "latency").click("Start the search")
    asked = job(app).request["search"]
    assert (asked["target"], asked["aware"], asked["training"]["seconds"]) == (0.3, "latency", 60)
    assert any("S1" in text for text in app.texts()) and any("Latency-aware" in text for text in app.texts())
    app.click("Stop")
    blocks = [{"mlp_neuron": 384, "head": 6, "qk_dim": 16, "v_dim": 16}] * 8
    kept = {"embed": 88, "blocks": [{**row, "head": 3} for row in blocks], "dense": {"embed": 96, "blocks": blocks}}
    share = {"top1_before": 0.9, "top1_before_ci95": [0.8, 0.95], "top1_after": 0.95, "top1_after_ci95": [0.9, 0.98]}
    change = {"gain": [0.05, 0.01, 0.09], "against_dense": [-0.04, -0.08, -0.01]}
    found = {
        "aware": "latency",
        "macs_removed": 0.35,
        "latency_removed": 0.3,
        "left": 0.7,
        "latency": {"batch_size": 16},
    }
    result = {**share, **change, **found, "n": 540, "kept": kept, "model": "deit-digits", "params": 1, "macs": 1}
    ledger = cache.kept_jobs().ledger
    assert ledger.move(job(app).token, "running", "cancelled")
    ledger.finish(job(app).token, {**result, "out": "nowhere"})
    app.run()
    figure = app.figure(f"units_{job(app).token}")
    assert [trace["y"][0] for trace in figure["data"] if trace["type"] == "bar"] == [100, 50, 100, 100]
    assert any("Embedding channels: 88 of 96" in text for text in app.texts())


def test_an_apma_style_search_shows_its_indicators_and_similarities(open_app, tmp_path):
    app = open_app(model="deit-digits").live().page("recover")
    app.until(lambda: "Start training" in labels(app), "the controls")
    app.set("recover_method", "apma").set("apma_target", 30).set("apma_reweight", False).click("Start the search")
    asked = job(app).request["search"]
    assert (asked["target"], asked["reweight"], asked["anneal"], asked["training"]["seconds"]) == (0.3, False, True, 60)
    written = " ".join(app.texts())
    assert (
        "straight-through" in written
        and "without equal removal in all heads" in written
        and "Measured by this project: n = 1,080" in written
    )
    app.click("Stop")
    blocks = [{"mlp_neuron": 384, "qk_dim": 3, "v_dim": 3}] * 2
    dense = {"embed": None, "blocks": blocks}
    kept = {"embed": None, "blocks": [{**row, "v_dim": 2} for row in blocks], "dense": dense}
    share = {"top1_before": 0.9, "top1_before_ci95": [0.8, 0.95], "top1_after": 0.95, "top1_after_ci95": [0.9, 0.98]}
    result = {**share, "gain": [0.05, 0.01, 0.09], "against_dense": [-0.04, -0.08, -0.01], "n": 540, "kept": kept}
    result |= {"aware": "macs", "macs_removed": 0.3, "latency_removed": 0.2, "left": 0.7, "latency": {"batch_size": 16}}
    ledger = cache.kept_jobs().ledger
    for step, asks in ((1, 100), (2, 67)):
        found = {kind: [[asks, 100], [100, asks]] for kind in ("qk_dim", "v_dim")} | {"mlp_neuron": [[100], [asks]]}
        point = {"step": step, "steps": 4, "loss": 1.0, "indicators": found, "search_steps": 2}
        ledger.add_point(job(app).token, point)
    alike = [[100, 20, 40], [20, 100, 60], [40, 60, 100]]
    head = {"before": [alike] * 2, "after": [[[100, 30], [30, 100]]] * 2, "kept": [[0, 2], [1, 2]]}
    (tmp_path / "similarity.json").write_text(json.dumps([{"qk_dim": head, "v_dim": head}] * 2))
    assert ledger.move(job(app).token, "running", "cancelled")
    ledger.finish(job(app).token, {**result, "model": "deit-digits", "params": 1, "macs": 1, "out": str(tmp_path)})
    app.run()
    token = job(app).token
    (drawn,) = app.figure(f"indicators_{token}")["data"]
    assert drawn["z"] == [[100, 67], [100, 100], [100, 100], [100, 67]] and drawn["text"][3][0] == "block 2, head 2"
    app.set(f"similar_head_{token}", 1)
    notes = [note["text"] for note in app.figure(f"similar_{token}")["layout"]["annotations"]]
    assert notes == ["<b>dense</b><br>mean 40 %", "<b>pruned, trained</b><br>mean 30 %"]
    assert len([trace for trace in app.figure(f"units_{token}")["data"] if trace["type"] == "bar"]) == 3


def test_a_home_that_cannot_be_written_is_told_on_the_page_and_nothing_else_fails(open_app, tmp_path, monkeypatch):
    (tmp_path / "taken").touch()
    monkeypatch.setenv("DIMAP_HOME", str(tmp_path / "taken"))
    app = open_app(model="swin-digits", ratio="0.9").live().page("recover")
    app.until(lambda: "Start training" in labels(app), "the controls")
    app.click("Start training")
    assert any(str(tmp_path / "taken") in text and "DIMAP_HOME" in text for text in app.notices), app.notices
    app = open_app(model="swin-digits", ratio="0.9", jobs="0" * 32).live().page("recover")
    app.until(lambda: any("DIMAP_HOME" in text.replace("\\", "") for text in app.texts()), "the reason")


def test_the_download_of_a_search_is_a_checkpoint_that_opens(tmp_path):
    (tmp_path / "found").mkdir()
    for name in ("model.safetensors", "card.json", "similarity.json"):
        (tmp_path / "found" / name).write_text("{}")
    with zipfile.ZipFile(io.BytesIO(job_cards.zipped(tmp_path / "found"))) as archive:
        assert archive.namelist() == ["card.json", "model.safetensors"]
