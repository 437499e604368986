"""The sidebar: every control changes the plan, the link and the numbers at once; what cannot be is refused."""

import json

import pytest

START = {"model": "swin-digits", "criterion": "dimap", "scope": "module", "ratio": "0.8"}


@pytest.fixture
def fresh(open_app):
    """A session on the small Swin with DIMAP at 80 %."""
    return open_app(**START).live()


def test_the_default_needs_no_link(open_app):
    app = open_app().live()
    assert app.url == {**START, "model": "swin-textured"}
    assert app.notices == []


def late():
    import streamlit as st

    from dimap_core.plan.validation import SCOPES
    from pages.ui.session import state

    state.start()
    for st.session_state.w_scope in ("module (DIMAP)", "model"):
        state.take("scope", SCOPES)
        st.write(f"{state.current().plan.scope}, {st.session_state.notice}")


def test_what_the_browser_still_sends_of_options_that_have_gone_changes_nothing(drawn):
    assert [element.value for element in drawn(late).markdown] == ["module, None", "model, None"]


@pytest.mark.parametrize(
    ("key", "value", "link"),
    [
        ("w_model", "deit-digits", {"model": "deit-digits"}),
        ("w_criterion", "magnitude", {"criterion": "magnitude"}),
        ("w_scope", "model", {"scope": "model"}),
        ("w_cost_exponent", 1.0, {"pay": "1"}),
        ("w_ratio", 50.0, {"ratio": "0.5"}),
        ("w_typed", 12.5, {"ratio": "0.125"}),
    ],
)
def test_a_control_changes_the_link_and_the_counts_at_once(fresh, key, value, link):
    before = [fresh.metric(0), fresh.metric(1)]
    fresh.set(key, value)
    assert fresh.url == {**START, **link}
    fresh.live()
    if key != "w_criterion":  # at one ratio within modules any criterion removes as many params
        assert fresh.metric(0) != before[0] or fresh.metric(1) != before[1]
    assert fresh.widget(key).value == value
    assert fresh.notices == []


@pytest.mark.parametrize(("label", "ratio"), [("DIMAP1", 0.15), ("DIMAP2", 0.35), ("DIMAP3", 0.55)])
def test_a_preset_is_the_papers_cut_whatever_was_chosen_before(open_app, label, ratio):
    app = open_app(model="swin-digits", criterion="magnitude", scope="layer", ratio="0.9", pay="0.5").live()
    app.click(label)
    assert (app.plan.criterion, app.plan.scope, app.plan.ratio, app.plan.cost_exponent) == ("dimap", "module", ratio, 0)


def test_a_random_criterion_has_a_seed_and_other_seeds_are_other_cuts(fresh):
    fresh.set("w_criterion", "random").live()
    assert "seed" not in fresh.url
    first = fresh.maps()
    fresh.set("w_scope", "model").set("w_seed", 7).live()
    assert fresh.url["seed"] == "7" and fresh.plan.seed == 7
    assert fresh.maps() != first


def test_stages_get_their_own_ratios_and_start_from_the_common_one(fresh):
    counts = fresh.metric(0)
    fresh.set("w_mode", "stages")
    assert fresh.url == {**START, "stages": "0_0.8~1_0.8~2_0.8~3_0.8"}
    fresh.set("w_stage_3", 20.0)
    assert fresh.url["stages"] == "0_0.8~1_0.8~2_0.8~3_0.2"
    assert fresh.metric(0) != counts
    table = fresh.at.dataframe[0].value  # four stages a module; the last keeps 80 %
    assert table.shape == (4, 4) and table.iloc[3, 1:].tolist() == pytest.approx([80] * 3, abs=0.1)


def test_the_grid_takes_over_the_stages_and_changes_one_cell(fresh):
    fresh.set("w_mode", "stages").set("w_stage_1", 40.0).set("w_mode", "grid")
    assert fresh.widget("w_cell_1_MLP-M").value == 40
    fresh.set("w_cell_1_MLP-M", 65.0)
    assert dict(fresh.plan.overrides)[1, "MLP-M"] == 0.65
    assert dict(fresh.plan.overrides)[1, "QKV-M"] == 0.4
    assert "1.MLP-M_0.65" in fresh.url["stages"]
    fresh.set("w_mode", "one")
    assert fresh.url == START


def test_a_budget_is_met_to_the_digit_shown(fresh):
    fresh.set("w_mode", "budget")
    assert fresh.url == {"model": "swin-digits", "criterion": "dimap", "scope": "module", "macs": "0.5"}
    assert "−50.0 % of 19.5 M" in fresh.metric(1)
    fresh.set("w_budget", 60.0)
    assert "−60.0 %" in fresh.metric(1)
    fresh.set("w_kind", "params")
    assert fresh.url["params"] == "0.6" and "−60.0 % of 1.51 M" in fresh.metric(0)


def test_a_plan_that_empties_a_layer_names_it_and_goes_back(open_app):
    app = open_app(model="swin-digits", criterion="magnitude", scope="model", ratio="0.7").live()
    app.set("w_typed", 99.9)
    (sentence,) = app.notices
    assert sentence.startswith("This plan empties the layer ") and sentence.endswith(".")
    assert "layers.0.blocks." in sentence
    assert app.url["ratio"] == "0.7" and app.widget("w_ratio").value == 70
    app.set("w_ratio", 75.0)
    assert app.notices == [] and app.url["ratio"] == "0.75"


def test_a_budget_that_cannot_be_met_says_what_can(open_app):
    app = open_app(model="swin-digits", macs="0.5").live()
    app.set("w_budget", 98.0)
    (sentence,) = app.notices
    assert "cannot be met; the nearest that can is" in sentence
    assert app.url["macs"] == "0.5"


def test_undo_and_redo_walk_through_every_change(fresh):
    links = [fresh.url]
    for key, value in (("w_ratio", 60.0), ("w_scope", "layer"), ("w_mode", "budget"), ("w_budget", 30.0)):
        links.append(fresh.set(key, value).url)
    assert len({json.dumps(link) for link in links}) == 5
    for link in links[-2::-1]:
        assert fresh.click("Undo").url == link
    assert next(button for button in fresh.at.button if button.label == "Undo").disabled
    for link in links[1:]:
        assert fresh.click("Redo").url == link
    assert next(button for button in fresh.at.button if button.label == "Redo").disabled
    fresh.click("Undo").set("w_scope", "model")
    assert next(button for button in fresh.at.button if button.label == "Redo").disabled  # a new branch


def test_going_back_to_a_setting_brings_back_its_controls(fresh):
    fresh.set("w_mode", "stages").set("w_stage_0", 10.0).set("w_mode", "one")
    fresh.click("Undo")
    assert fresh.widget("w_mode").value == "stages"
    assert fresh.widget("w_stage_0").value == 10


def test_a_pasted_recipe_is_put_in_force(fresh):
    recipe = {"version": 1, "criterion": "magnitude", "scope": "layer", "ratio": 0.4, "stages": {"0": 0.1}}
    fresh.set("w_recipe", json.dumps(recipe)).click("Load it")
    assert fresh.url == {
        "model": "swin-digits", "criterion": "magnitude", "scope": "layer", "ratio": "0.4", "stages": "0_0.1",
    }  # fmt: skip
    assert fresh.notices == []


def test_the_recipe_on_screen_restores_what_it_was_taken_from(fresh):
    fresh.set("w_mode", "grid").set("w_cell_2_QKV-M", 35.0)
    link, text = fresh.url, fresh.at.code[0].value
    fresh.set("w_mode", "one").click("DIMAP1")
    fresh.set("w_recipe", text).click("Load it")
    assert fresh.url == link


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[1, 2]",
        '{"version": 2, "ratio": 0.5}',
        '{"version": 1, "ratio": 5}',
        '{"version": 1, "ratio": "much"}',
        '{"version": 1, "colour": "blue"}',
        '{"version": 1, "stages": {"first": 0.5}}',
        '{"version": 1, "ratio": 0.5, "budget": {"macs": 0.5}}',
        '{"version": 1, "model": "nowhere", "ratio": 0.5}',
        '{"version": 1, "protected": ["nothing"]}',
    ],
)
def test_a_recipe_that_is_none_gives_one_sentence_and_changes_nothing(app, text):
    before = app.url
    app.set("w_recipe", text).click("Load it")
    (sentence,) = app.notices
    assert sentence.endswith(".") and "\n" not in sentence
    assert app.url == before
