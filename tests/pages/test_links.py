"""Links: what is on screen is in the URL, a link restores it, and nonsense in a link is one sentence."""

from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qsl, urlencode

import pytest
from streamlit.runtime.pages_manager import PagesManager
from streamlit.testing.v1 import app_test

from dimap_core.types.errors import InvalidPlan
from dimap_core.types.plan import PruningPlan
from pages.ui.session import Setting, Sight, links, state

APP = Path(__file__).parents[2] / "app.py"

DEFAULT = {"model": "swin-textured", "criterion": "dimap", "scope": "module", "ratio": "0.8"}


@pytest.mark.parametrize(
    "link",
    [
        {"model": "deit-digits", "criterion": "magnitude", "scope": "layer", "ratio": "0.35"},
        {"model": "swin-digits", "criterion": "dimap", "scope": "model", "pay": "0.5", "params": "0.7"},
        {"model": "swin-digits", "criterion": "random", "scope": "stage-module", "ratio": "0", "seed": "12"},
        {
            "model": "swin-digits",
            "criterion": "dimap",
            "scope": "module",
            "ratio": "0.5",
            "stages": "0_0.1~3.MLP-M_0.9",
        },
        {**DEFAULT, "model": "swin-digits", "protected": "layers.0.blocks.0.attn.qkv~layers.1.blocks.1.mlp.fc2"},
        {**DEFAULT, "model": "deit-digits", "weights": "random"},
        {**DEFAULT, "model": "swin-digits", "criterion": "wanda", "images": "32"},
        {**DEFAULT, "at": "3.2", "cue": "digit", "axis": "params", "zoom": "1"},
        {**DEFAULT, "model": "deit-digits", "at": "2"},
    ],
)
def test_a_link_is_restored_as_it_was(open_app, link):
    app = open_app(**link).live()
    assert app.url == link
    assert app.notices == []


def test_part_of_a_link_is_enough(open_app):
    app = open_app(model="deit-digits", ratio="0.25").live()
    assert app.url == {**DEFAULT, "model": "deit-digits", "ratio": "0.25"}


def test_a_protected_layer_stays_whole(open_app):
    app = open_app(model="swin-digits", ratio="0.8", protected="layers.0.blocks.0.attn.qkv").page("importance")
    assert app.figure("heat")["data"][0]["text"][0][0] == "100"


def shown(link):
    """A link as a test's name."""
    return ",".join(f"{key}={value[:12]}" for key, value in link.items())


@pytest.mark.parametrize(
    "link",
    [
        {"scope": "foo"},
        {"bogus": "1"},
        {"stages": "9_0.5"},
        {"macs": "0.99"},
        {"protected": "nothing"},
        {"model": "resnet50"},
        {"model": "no-such-model"},
        {"model": "x" * 3000},
        {"model": "/tmp"},
        {"model": ""},
        {"data": "folder:/etc"},
        {"data": "zip:/etc/passwd"},
        {"data": "folder:~/no-such-folder-here"},
        {"data": "upload:0123456789abcdef0123456789abcdef"},
        {"data": "no-such-set"},
        {"n": "1"},
        {"at": "5"},
        {"at": "1.9"},
        {"axis": "time"},
    ],
    ids=shown,
)
def test_nonsense_in_a_link_is_one_sentence_and_the_default_works(open_app, link):
    app = open_app(**link)
    app.until(lambda: app.notices, "a notice")
    (sentence,) = app.notices
    assert sentence.endswith((".", "?")) and "\n" not in sentence and "Traceback" not in sentence
    assert app.url == DEFAULT
    app.live()
    assert "401 k" in app.metric(0)


@pytest.mark.parametrize(
    "link",
    [
        {"scope": "foo"},  # what the page makes of one such sentence is tested above
        {"criterion": ""},
        {"granularity": "channel"},
        {"granularity": "nm"},
        {"ratio": "7"},
        {"ratio": "nan"},
        {"ratio": "half"},
        {"stages": "x_y"},
        {"stages": ""},
        {"pay": "3"},
        {"seed": "-1"},
        {"seed": "nan"},
        {"seed": "inf"},
        {"images": "0"},
        {"images": "1.5"},
        {"weights": "heavy"},
        {"n": "1e9"},
        {"draw": "nan"},
        {"classes": "cat_nan"},
        {"at": "0"},
        {"at": "3.2.1"},
        {"axis": "time"},
    ],
    ids=shown,
)
def test_a_link_that_no_model_could_make_good_leaves_one_sentence_and_the_default(link):
    (key,) = link
    *found, told = links.good_parts(link)
    assert found == [Setting(), Sight()]
    assert told.endswith(f" (left out: '{key}'; the default is shown).") and "\n" not in told and len(told) < 300


@pytest.mark.parametrize(
    ("bad", "good"),
    [
        ({"ratio": "7"}, {"model": "deit-digits", "criterion": "magnitude"}),
        ({"scope": "foo"}, {"model": "deit-digits", "criterion": "magnitude", "ratio": "0.25"}),
        ({"colour": "blue", "seed": "-1"}, {"model": "deit-digits", "ratio": "0.25"}),
        ({"ratio": "0.5"}, {"model": "deit-digits", "granularity": "nm", "nm": "2:4"}),
        ({"kinds": "MLP-M_0.5"}, {"granularity": "structure", "ratio": "0.5"}),
        ({"params": "0.5"}, {"macs": "0.5"}),
        ({"n": "1"}, {"data": "digits", "ratio": "0.5"}),
        ({"at": "3.x"}, {"model": "deit-digits", "ratio": "0.5", "axis": "params"}),
        ({"cue": "colour", "zoom": "yes"}, {"ratio": "0.5", "at": "3.2"}),
    ],
)
def test_the_good_parts_of_a_link_hold_and_the_bad_ones_are_named(bad, good):
    *found, told = links.good_parts(good | bad)
    assert (*found,) == links.from_url(good)
    assert all(f"'{key}'" in told for key in bad) and told.endswith("; the rest of the link holds).")
    assert links.good_parts(good) == (*found, "")


def test_what_fits_holds_where_model_plan_or_images_of_a_link_do_not(open_app):
    for bad, kept in (
        ({"model": "no-such-model"}, {"ratio": "0.25"}),
        ({"stages": "9_0.5"}, {"model": "deit-digits"}),
        ({"data": "folder:/etc"}, {"model": "deit-digits", "ratio": "0.25"}),
    ):
        app = open_app(**bad, **kept)
        app.until(lambda app=app: app.notices, "a notice")
        assert len(app.notices) == 1 and app.url == {**DEFAULT, **kept}


def test_a_link_of_a_later_version_holds_as_far_as_it_is_known_and_says_so(open_app):
    app = open_app(v="2", ratio="0.25", story="2abc", present="0")
    assert len(app.notices) == 1 and "later version" in app.notices[0] and "has version '2'" in app.notices[0]
    assert app.url == {**DEFAULT, "ratio": "0.25"}


def test_a_link_to_a_page_works_as_the_first_visit_of_a_server(monkeypatch):
    """Until st.navigation was called once, Streamlit runs a script in the folder pages/ without app.py."""
    monkeypatch.setattr(app_test, "PagesManager", PagesManager)
    for page in ("weights", "importance"):
        at = app_test.AppTest.from_file(APP, default_timeout=60)
        at.switch_page(f"pages/{page}.py").run()
        assert not at.exception
        assert at.selectbox, "the controls are there"


CUT = PruningPlan(granularity="structure", ratio=None, budget=0.3, round_to=4, repair=True, images=128)


@pytest.mark.parametrize(
    ("setting", "link"),
    [
        (Setting(), "model=swin-textured&criterion=dimap&scope=module&ratio=0.8"),
        (
            Setting("swin-digits", "random", CUT, "cifar10", 50, 3, (("cat", 1),)),
            "model=swin-digits&criterion=dimap&scope=module&weights=random&data=cifar10&n=50&draw=3&classes=cat_1&"
            "granularity=structure&macs=0.3&round=4&repair=1&images=128",
        ),
        (
            Setting("swin-digits", data="folder:x", classes=(("cat", 1),), split="test"),
            "model=swin-digits&criterion=dimap&scope=module&data=folder%3Ax&split=test&classes=cat_1&ratio=0.8",
        ),
    ],
)
def test_a_link_is_what_it_was_letter_by_letter(setting, link):
    assert urlencode(links.to_url(setting)) == link and links.from_url(dict(parse_qsl(link))) == (setting, Sight())


def test_what_is_looked_at_is_in_the_link_and_stays_over_pages(open_app):
    app = open_app(model="swin-textured", cue="digit", axis="params", zoom="1").live()
    assert [app.widget(key).value for key in ("cue", "axis", "zoom")] == ["digit", "params", True]
    app.page("weights").page("prune")
    assert [app.widget(key).value for key in ("cue", "axis", "zoom")] == ["digit", "params", True]
    app.set("axis", "MACs").set("zoom", False).set("cue", "texture")
    assert app.url == {**DEFAULT, "cue": "texture"}


@pytest.mark.parametrize("steps", [True, False])
def test_a_step_in_the_browsers_history_puts_that_address_in_force(open_app, monkeypatch, steps):
    app = open_app(model="swin-digits", ratio="0.5").live()
    before = app.set("w_ratio", 30.0).url
    for key, value in {**before, "ratio": "0.5", "at": "3"}.items():
        app.at.query_params[key] = value
    monkeypatch.setattr(state, "get_script_run_ctx", lambda: SimpleNamespace(is_history_navigation=steps))
    app.run()
    assert app.plan.ratio == (0.5 if steps else 0.3)
    assert app.url == ({**before, "ratio": "0.5", "at": "3"} if steps else before)
    if steps:
        app.at.query_params.clear()  # a page's bare address, which comes before its first mirror
        assert app.run().url["ratio"] == "0.5"
        monkeypatch.undo()
        assert app.click("Undo").plan.ratio == 0.3


def test_a_link_cannot_ask_for_a_latency():
    with pytest.raises(InvalidPlan, match="'latency' is not known"):
        links.from_url({"granularity": "structure", "latency": "0.3"})
