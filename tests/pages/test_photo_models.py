"""Models for photographs, which come without images: what was measured beforehand, and the two ways to images."""

import json

import numpy as np
import pytest
from PIL import Image

from dimap_core.models import bundled
from dimap_core.service import Jobs
from dimap_core.types import ASSETS
from pages.ui.session import cache

NAME = "swin-photos"
CUT = {"model": NAME, "criterion": "dimap", "scope": "module", "ratio": "0.8"}
CLASSES = bundled(NAME).names


@pytest.fixture
def nowhere(own_home, tmp_path, monkeypatch):
    """No set on this machine, and no way to the servers of any."""
    monkeypatch.setenv("DIMAP_DATA", str(tmp_path / "data"))
    for way in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(way, "http://127.0.0.1:9")


@pytest.fixture
def stored():
    """The rows of the model's curve, and of how many photographs."""
    found = json.loads((ASSETS / "curves" / f"{NAME}.json").read_text(encoding="utf-8"))
    return found["rows"], found["dense"]["n"]


def row_of(rows, ratio):
    (row,) = (
        row for row in rows
        if (row["criterion"], row["scope"], row["granularity"], row["cost_exponent"], row["ratio"], row["budget"])
        == ("dimap", "module", "weight", 0.0, ratio, None)
    )  # fmt: skip
    return row["estimate"]["cues"]["joint"]


def test_a_stored_row_is_badged_and_another_cut_has_no_number(open_app, nowhere, stored):
    rows, n = stored
    app = open_app(**CUT).live()
    joint = row_of(rows, 0.8)
    assert app.metric(2) == (
        f"{100 * joint['correct'] / n:.1f} % | {100 * joint['low']:.1f} to {100 * joint['high']:.1f}, "
        f"precomputed on {n:,} photographs"
    )
    assert app.feed["plot"]["dense"]["x"] == 1 and len(app.feed["plot"]["curves"]) == 2
    assert app.feed["plot"]["current"]["y"] == round(joint["correct"] / n, 4)
    app.move(all=0.5).live()  # a hand on the map
    half = row_of(rows, 0.5)
    assert app.metric(2).startswith(f"{100 * half['correct'] / n:.1f} % | ") and "photographs" in app.metric(2)
    assert list(app.feed["plot"]["tries"])  # the one before, known by what was stored too
    app.move(all=0.62).live()
    assert app.metric(2) == "– | not measured beforehand" and app.feed["plot"]["current"] is None
    assert "Measured beforehand: 10, 20, 30, 40, 50, 60, 70, 75, 80, 85, 90, 95, 98 %." in app.feed["caption"]
    assert "★" not in app.feed["caption"]
    assert app.feed["plot"]["dense"] and app.metric(1).startswith(("1", "2"))  # counts are live


@pytest.mark.parametrize("page", ["predictions", "way", "find", "recover", "importance"])
def test_what_needs_images_says_so_with_both_ways(open_app, nowhere, page):
    app = open_app(**CUT).live().page_of(page)
    app.until(lambda: any("params" in text for text in app.texts()) or page == "find", "the page")
    if page == "importance":
        app.set("importance_part", "sensitivity")
    app.until(lambda: any("none come with this project" in text for text in app.texts()), "the sentence")
    labels = [button.label for button in app.at.button]
    assert "Fetch CIFAR-10 (170\u00a0MB)" in labels
    app.click("Point to a folder")
    assert app.widget("w_folder").value == "" and app.widget("w_source").value == "folder:"


def test_criteria_that_read_no_images_are_live_and_others_are_refused_with_the_ways(open_app, nowhere):
    app = open_app(**CUT | {"criterion": "magnitude"}).live()
    assert app.map and app.plan.criterion == "magnitude"
    app.set("w_criterion", "taylor").until(lambda: app.notices, "a notice").live()
    assert "No training images are known for 'swin-photos'" in app.notices[0]
    assert app.plan.criterion == "magnitude" and app.url["model"] == NAME
    linked = open_app(**CUT | {"criterion": "taylor"}).until(lambda: app.notices, "a notice").live()
    assert linked.url["model"] == NAME and linked.plan.criterion == "dimap"


def test_a_fetch_that_reaches_nothing_fails_with_one_sentence_and_loses_nothing(open_app, nowhere, tmp_path):
    app = open_app(**CUT).live()
    before = app.metric(2)
    app.click_key("absent_fetch").until(lambda: app.at.error, "its end")
    (error,) = [element.value.replace("\\", "") for element in app.at.error]
    assert error.startswith("CIFAR-10 could not be fetched (") and str(tmp_path / "data") in error
    assert app.widget("absent_go_on").label == "Go on fetching" and app.metric(2) == before
    assert any("Nothing was trained yet" in text for text in app.page("recover").texts())


def test_progress_is_told_and_the_set_is_chosen_once_it_is_here(open_app, nowhere, monkeypatch):
    monkeypatch.setattr(Jobs, "look_after", lambda _: None)  # this test is the process that works on it
    app = open_app(**CUT).live().click_key("absent_fetch")
    ledger, (token,) = cache.kept_jobs().ledger, app.at.session_state["jobs"]
    assert any("Waiting for its turn" in text for text in app.texts())
    ledger.move(token, "running", "waiting")
    ledger.report(token, {"doing": "Fetching CIFAR-10", "done": 34_000_000, "total": 170_498_071, "left": 60.2})
    app.run()
    assert [bar.proto.text for bar in app.at.get("progress")] == ["34.0 of 170.5 MB, about 60 s left"]
    app.click("Stop")
    assert ledger.state(token) == "cancelled" and any("is not fetched again" in text for text in app.texts())
    app.click_key("absent_go_on")
    assert ledger.move(token, "running", "waiting")
    ledger.finish(token, {"set": "cifar10"})
    app.run()
    setting = app.at.session_state["setting"]
    assert (setting.data, setting.count, setting.model) == ("cifar10", 10_000, NAME)


def test_photographs_that_are_chosen_give_another_figure_told_apart_from_the_stored_one(
    open_app, tmp_path, monkeypatch, stored
):
    monkeypatch.setenv("DIMAP_ROOTS", str(tmp_path))
    rng = np.random.default_rng(0)
    for name in CLASSES:
        (tmp_path / "mine" / name).mkdir(parents=True)
        for number in range(8):
            Image.fromarray(rng.integers(0, 256, (40, 32, 3), np.uint8)).save(
                tmp_path / "mine" / name / f"{number}.png"
            )
    app = open_app(**CUT, data=f"folder:{tmp_path / 'mine'}").judged()
    rows, n = stored
    share = row_of(rows, 0.8)["correct"] / n
    assert app.metric(2).endswith("n = 80")
    assert f"Another figure, stored: {100 * share:.1f} %" in app.feed["caption"]
    assert f"precomputed on {n:,} photographs (CIFAR-10's test images" in app.feed["caption"]
    assert pixels_of(app) == ["<style>:root { --pixels: auto; }</style>"]
    assert pixels_of(open_app(model="swin-digits").live()) == ["<style>:root { --pixels: pixelated; }</style>"]


def pixels_of(app):
    return [one.proto.body for one in app.at.get("html") if "--pixels:" in one.proto.body]


def test_the_picker_offers_it_after_the_others_and_the_default_stays(open_app, stored):
    app = open_app().live()
    assert app.at.session_state["setting"].model == "swin-textured"
    options = app.widget("w_model").options
    assert options[:6] == ["swin-textured", "deit-textured", "swin-digits", "deit-digits", "swin-flatten", NAME]
    app.set("w_model", NAME).live()
    assert app.sentence.endswith(f"and judge on [{stored[1]:,} photographs, stored]")
    assert any("CIFAR-10, judged on 5,000 images" in text for text in app.texts())
