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
        ("w_typed", "12.5", {"ratio": "0.125"}),
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
    first = fresh.feed["cut"]["kept"]
    fresh.set("w_scope", "model").set("w_seed", 7).live()
    assert fresh.url["seed"] == "7" and fresh.plan.seed == 7
    assert fresh.feed["cut"]["kept"] != first


def test_stages_start_from_what_the_cut_removes_of_them_and_nothing_changes_until_one_moves(fresh):
    fresh.judged()
    before = [fresh.metric(place) for place in range(4)]
    for mode in ("stages", "grid", "budget", "one", "stages"):
        fresh.set("w_mode", mode)
        assert fresh.url == START and fresh.widget("w_mode").value == mode
        assert [fresh.metric(place) for place in range(4)] == before
    shares = [fresh.widget(f"w_stage_{stage}").value for stage in range(4)]
    assert len(set(shares)) == 4 and min(shares) < 80 < max(shares)  # DIMAP takes more of some stages
    fresh.set("w_criterion", "magnitude").live()
    assert fresh.widget("w_mode").value == "stages"  # another field's change leaves the control
    fresh.click("Undo").live().set("w_mode", "stages").set("w_stage_3", 20.0).live()
    own = dict(fresh.plan.overrides)
    assert own == {**{(stage, None): round(share / 100, 3) for stage, share in enumerate(shares)}, (3, None): 0.2}
    assert fresh.metric(0) != before[0]
    table = fresh.at.dataframe[0].value  # four stages a module; the last keeps 80 %
    assert table.shape == (4, 4) and table.iloc[3, 1:].tolist() == pytest.approx([80] * 3, abs=0.1)
    fresh.set("w_stage_0", 90.0)
    assert dict(fresh.plan.overrides) == {**own, (0, None): 0.9}  # the second move changes no other stage


def test_the_first_move_of_a_stage_costs_about_as_much_as_the_cut_did(open_app):
    app = open_app(model="swin-textured").judged()
    before = float(app.metric(2).split()[0])
    app.set("w_mode", "stages")
    share = app.widget("w_stage_0").value
    app.set("w_stage_0", share + 1 if share < 98 else share - 1).judged()
    assert abs(float(app.metric(2).split()[0]) - before) < 15  # 35 when every stage began at the common ratio


def test_the_grid_takes_over_the_stages_and_changes_one_cell(fresh):
    fresh.judged().set("w_mode", "stages").set("w_stage_1", 40.0).set("w_mode", "grid")
    assert fresh.widget("w_cell_1_MLP-M").value == "40"
    fresh.set("w_cell_1_MLP-M", "65")
    assert dict(fresh.plan.overrides)[1, "MLP-M"] == 0.65
    assert dict(fresh.plan.overrides)[1, "QKV-M"] == 0.4
    assert "1.MLP-M_0.65" in fresh.url["stages"]
    removed = [fresh.metric(0).split("−")[1].split()[0]]
    fresh.set("w_mode", "one")  # as much as all cells together
    removed.append(fresh.metric(0).split("−")[1].split()[0])
    assert fresh.plan.overrides == () and fresh.plan.ratio not in (0.4, 0.65, 0.8)
    assert abs(float(removed[0]) - float(removed[1])) < 0.2


def test_a_budget_is_met_to_the_digit_shown(fresh):
    fresh.judged().set("w_mode", "budget")
    share = fresh.widget("w_budget").value
    assert fresh.url == START and f"−{share} % of 19.5 M" in fresh.metric(1)
    fresh.set("w_kind", "params")
    assert fresh.url == START and f"−{fresh.widget('w_budget').value} % of 1.51 M" in fresh.metric(0)
    fresh.set("w_kind", "macs").set("w_budget", 60.0)
    assert fresh.url == {"model": "swin-digits", "criterion": "dimap", "scope": "module", "macs": "0.6"}
    assert "−60.0 % of 19.5 M" in fresh.metric(1)
    fresh.set("w_kind", "params")
    assert fresh.url["params"] == "0.6" and "−60.0 % of 1.51 M" in fresh.metric(0)


def test_a_plan_that_empties_a_layer_names_it_and_goes_back(open_app):
    app = open_app(model="swin-digits", criterion="magnitude", scope="model", ratio="0.7").judged()
    app.set("w_typed", "99.9")
    (sentence,) = app.notices
    assert sentence.startswith("This plan empties the layer ") and sentence.endswith(".")
    assert "layers.0.blocks." in sentence
    assert app.url["ratio"] == "0.7" and app.widget("w_ratio").value == 70
    app.set("w_ratio", 75.0)
    assert app.notices == [] and app.url["ratio"] == "0.75"


def test_what_is_changed_beside_the_ratio_keeps_the_nearest_that_can_be_met(open_app):
    app = open_app(model="swin-digits", criterion="magnitude", scope="layer", ratio="0.6").judged()
    app.set("w_typed", "99.9")
    assert app.notices == []
    app.set("w_scope", "model")
    (sentence,) = app.notices
    assert sentence.startswith("This plan empties the layer ") and sentence.endswith(" That is now in force.")
    largest = float(sentence.split(" some weights is ")[1].split(". ")[0])
    assert (app.plan.criterion, app.plan.scope, app.plan.ratio) == ("magnitude", "model", largest)
    assert 0.7 < largest < 0.999
    assert app.click("Undo").url["ratio"] == "0.999"


def test_one_ratio_in_place_of_own_ones_is_the_nearest_that_can_be_met(open_app):
    stages = "0_0.98~1_0.98~2_0.99~3_0.998"  # each as its layers bear it, together more than one ratio can
    app = open_app(model="swin-digits", criterion="magnitude", scope="model", ratio="0.5", stages=stages).live()
    before = app.url
    app.set("w_mode", "one").live()
    (sentence,) = app.notices
    assert sentence.endswith(" That is now in force.")
    assert 0.98 < app.plan.ratio < 0.995 and app.plan.overrides == ()
    assert app.click("Undo").url == before


def test_a_budget_that_cannot_be_met_says_what_can(open_app):
    app = open_app(model="swin-digits", macs="0.5").live()
    app.set("w_budget", 98.0)
    (sentence,) = app.notices
    assert "cannot be met; the nearest that can is" in sentence
    assert app.url["macs"] == "0.5"


def test_undo_and_redo_walk_through_every_change(fresh):
    links = [fresh.judged().url]
    for key, value in (("w_ratio", 60.0), ("w_scope", "layer"), ("w_budget", 30.0)):
        if key == "w_budget":
            fresh.set("w_mode", "budget")
        links.append(fresh.set(key, value).url)
    assert len({json.dumps(link) for link in links}) == 4
    for link in links[-2::-1]:
        assert fresh.click("Undo").url == link
    assert next(button for button in fresh.at.button if button.label == "Undo").disabled
    for link in links[1:]:
        assert fresh.click("Redo").url == link
    assert next(button for button in fresh.at.button if button.label == "Redo").disabled
    fresh.click("Undo").set("w_scope", "model")
    assert next(button for button in fresh.at.button if button.label == "Redo").disabled  # a new branch


def test_going_back_to_a_setting_brings_back_its_controls(fresh):
    fresh.judged().set("w_mode", "stages").set("w_stage_0", 10.0).set("w_mode", "one")
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
    fresh.judged().set("w_mode", "grid").set("w_cell_2_QKV-M", "35")
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
