"""Whole structures and patterns in the sidebar and on the pages: links, controls, what is said of the cut."""

from itertools import chain

import pytest

from pages.ui.session import cache

PATTERN = {"model": "deit-digits", "granularity": "nm", "nm": "2:4"}
LINK = {"model": "swin-digits", "granularity": "structure", "ratio": "0.3"}


def test_a_structured_cut_is_counted_judged_and_called_smaller(open_app):
    app = open_app(**LINK).judged()
    assert any("really smaller" in text for text in app.texts())
    assert not any("not faster" in text for text in app.texts())
    assert "of 1.51 M" in app.metric(0)
    assert [app.feed["numbers"][place]["label"] for place in (0, 1)] == ["Params", "FLOPs (MACs)"]
    app.set("w_ratio", 40.0).judged()
    assert [tried["smaller"] for tried in app.feed["plot"]["tries"].values()] == [True]


def test_the_map_has_narrower_blocks_and_as_many_heads_as_stay(open_app):
    app = open_app(model="swin-digits", granularity="structure", kinds="head_0.5~mlp_neuron_0.5").live()
    assert dict(app.plan.overrides) == {(None, "head"): 0.5, (None, "mlp_neuron"): 0.5}
    assert app.map["smaller"] and not app.map["off"]
    heads, whole = app.feed["cut"]["heads"], app.map["labels"]["heads"]
    assert [len(stage) for stage in heads] == [len(stage) for stage in whole]
    lost = sum(map(sum, whole)) - sum(map(sum, heads))
    assert lost == sum(map(sum, whole)) // 2
    bands = app.map["sizes"]["860"]["bands"]
    assert [band["heads"] for band in bands if band["module"] == "QKV-M"] == [*chain(*whole)]
    zeros = open_app(model="swin-digits", ratio="0.3").live()
    assert not zeros.map["smaller"] and "heads" not in zeros.feed["cut"]


def test_what_to_remove_is_one_choice_and_keeps_the_amount(open_app):
    app = open_app(model="swin-digits", ratio="0.6").live()
    app.set("w_granularity", "structure").live()
    assert app.url["granularity"] == "structure" and app.url["ratio"] == "0.6"
    app.set("w_round", True).live()
    assert app.url["round"] == "8"
    app.set("w_granularity", "nm").live()
    assert app.url["nm"] == "2:4" and "ratio" not in app.url and "round" not in app.url
    assert [app.feed["numbers"][place]["label"] for place in (0, 1)] == ["Params kept", "MACs kept"]
    app.set("w_nm", "4:8").live()
    assert app.plan.nm == "4:8"
    app.set("w_granularity", "weight").live()
    assert app.url["ratio"] == "0.5" and "nm" not in app.url  # as much as the pattern removed
    app.click("Undo").live()
    assert app.plan.nm == "4:8"


def test_a_control_that_is_still_sent_after_other_units_were_chosen_says_nothing(open_app):
    """A moved pattern and other units in one message of the browser, and a price paid when a pattern is chosen."""
    app = open_app(**PATTERN).judged()
    app.widget("w_nm").set_value("4:8")
    app.set("w_granularity", "weight")
    assert app.notices == [] and app.plan.nm is None
    app.widget("w_cost_exponent").set_value(1.0)
    app.set("w_granularity", "nm")
    assert app.notices == [] and app.plan.nm is not None and app.plan.cost_exponent == 0


def test_kinds_have_ratios_of_their_own_in_controls_and_link(open_app):
    app = open_app(**LINK).live().set("w_mode", "kinds").live()
    assert "kinds" not in app.url  # as long as none has moved
    app.set("w_kind_head", 50.0).live()
    assert app.url["kinds"] == "head_0.5~mlp_neuron_0.3~qk_dim_0.3~v_dim_0.3"
    again = open_app(**app.url).live()
    assert again.plan == app.plan and again.metric(0) == app.metric(0)


def test_a_grid_of_stages_and_kinds(open_app):
    app = open_app(**LINK).live().set("w_mode", "grid").live()
    app.set("w_cell_0_mlp_neuron", "80").live()
    assert dict(app.plan.overrides)[0, "mlp_neuron"] == 0.8
    assert open_app(**app.url).live().plan == app.plan


@pytest.mark.parametrize("page", ["weights", "importance"])
@pytest.mark.parametrize("link", [LINK, PATTERN], ids=["groups", "nm"])
def test_every_page_draws_it(open_app, page, link):
    app = open_app(**link).live().page(page)
    if page == "importance":
        columns = app.figure("heat")["layout"]["xaxis"]["ticktext"]
        assert columns == (["hidden", "heads", "Q/K dims", "V dims"] if link is LINK else ["QKV", "projection", "MLP"])
    else:
        app.until(lambda: any("plain threshold decides" in text for text in app.texts()), "the argument")


def test_units_of_the_chosen_kind_are_drawn(open_app):
    app = open_app(**LINK).live().page("importance")
    app.set("block_kind", "qk_dim")
    assert sum(len(trace["x"]) for trace in app.figure("units")["data"]) == 12  # one slot a dimension of a head


def test_how_many_images_are_read_is_asked_where_any_are(open_app):
    app = open_app(**LINK).live()
    with pytest.raises(StopIteration):
        app.widget("w_images")
    app.set("w_repair", True).live().set("w_images", 32).live()
    assert (app.url["images"], app.plan.images) == ("32", 32)
    app.set("w_repair", False).live().set("w_criterion", "nvit").live()
    assert app.widget("w_images").value == 32
    assert any("NViT score, one-shot" in text for text in app.texts())
    app.page("importance").until(lambda: "heat" in {c.key for c in app.at.get("plotly_chart")}, "heat")


def test_another_criterion_ends_the_reading_of_images_and_coming_back_begins_it_anew(open_app):
    app = open_app(**LINK, images="4000").live()
    for _ in range(2):
        app.set("w_criterion", "conductance").until(lambda: any("what units" in t for t in app.texts()), "progress")
        tickets = [ticket for key, ticket in cache.shared().opening.items() if key[2] == "conductance"]
        app.set("w_criterion", "dimap").judged()
        app.until(lambda tickets=tickets: tickets[-1].replaced, "the end of the reading")


def test_zeros_are_repaired_too(open_app):
    app = open_app(model="swin-digits", ratio="0.95", images="24").live()
    plain = app.judged().metric(2)
    app.set("w_repair", True).judged()
    assert (app.url["repair"], app.plan.repair, app.widget("w_images").value) == ("1", True, 24)
    assert float(app.metric(2).split()[0]) > float(plain.split()[0])
    assert any("not faster" in text for text in app.texts())
    app.set("w_granularity", "nm").live()
    assert (app.url["repair"], app.url["nm"]) == ("1", "2:4")


def test_other_units_go_by_as_much_as_all_stages_together(open_app):
    app = open_app(model="swin-digits", ratio="0.6", stages="0_0.2~1_0.4~2_0.6~3_0.8").judged()
    ratio = app.set("w_mode", "one").plan.ratio
    app.click("Undo").set("w_granularity", "structure").live()
    assert (app.plan.overrides, app.plan.ratio, app.notices) == ((), ratio, [])
    assert 0.6 < ratio < 0.8  # most weights are in the last two stages
