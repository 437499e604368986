"""The recipe line: the setting as a sentence with chips, on every page, under one heading; no sidebar."""

import pytest

from pages.ui.look import frame


@pytest.mark.parametrize(
    ("link", "sentence"),
    [
        (
            {"model": "swin-textured"},
            "[Set to zero] [80 %] of the weights of [swin-textured] with the smallest [DIMAP score] within "
            "[each module] and judge on [1,080 textured digits]",
        ),
        (
            {"model": "swin-digits", "granularity": "structure", "macs": "0.5", "pay": "1", "repair": "1"},
            "[Take out] heads and hidden units worth [50 % of the MACs] of [swin-digits] with the smallest "
            "[DIMAP score per MAC] within [each kind] then refit the rest and judge on [540 digits]",
        ),
        (
            {"model": "swin-digits", "granularity": "nm", "nm": "2:4", "criterion": "magnitude"},
            "[Keep only] [2 of every 4] neighbouring weights of [swin-digits] with the largest [Magnitude score] "
            "and judge on [540 digits]",
        ),
        (
            {"model": "deit-digits", "stages": "0_0.2~1_0.4~2_0.4~3_0.6", "scope": "layer"},
            "[Set to zero] [20–60 % by stage] of the weights of [deit-digits] with the smallest [DIMAP score] "
            "within [each layer] and judge on [540 digits]",
        ),
    ],
)
def test_the_setting_is_one_sentence(open_app, link, sentence):
    app = open_app(**link)
    assert app.notices == [] and app.sentence == sentence


def test_each_page_has_one_heading_and_the_line(open_app):
    app = open_app(model="swin-digits").live()
    for row in frame.PAGES:
        app.at.switch_page(f"pages/{row.key}.py")
        app.run()
        titles = [title.value for title in app.at.title]
        assert len(titles) == (row.title != frame.PRESENT)  # slides have their own
        assert titles == [row.sentence] or not row.sentence  # those that stand apart have one of their own
        if row.line and row.cut and row.title != frame.LEARN:  # lessons show only what they need
            assert app.sentence.startswith("[Set to zero] [80 %]")
        assert not app.at.sidebar.children


def test_a_family_narrows_the_list_and_the_open_model_stays_in_it(open_app):
    app = open_app(model="swin-digits")
    every = app.widget("w_model").options
    app.set("model_family", "SwinV2")
    few = app.widget("w_model").options
    assert len(few) == 13 and few[0] == "swin-digits" and all(name.startswith("swinv2_") for name in few[1:])
    assert set(few) <= set(every) and app.url["model"] == "swin-digits"
    sizes = [float(name.split(", ")[1].split()[0]) for name in few[1:]]
    assert sizes == sorted(sizes)


def typed(app, words):
    app.widget("w_model").options.append(words)
    return app.set("w_model", words)


def test_words_of_a_name_are_found_in_any_order(open_app):
    app = open_app(model="swin-digits")
    found = []
    for words in ("base swin 384", "384 Base swin"):
        typed(app, words)
        found.append([option.partition(",")[0] for option in app.widget("w_model").options[1:]])
        assert f"{len(found[-1])} models fit “{words}”; the list holds these alone." in app.texts()
    assert found[0] == found[1] and "swin_base_patch4_window12_384.ms_in1k" in found[0]
    assert all("swin" in name and "base" in name and "384" in name for name in found[0]) and not app.notices
    app.set("model_family", "DeiT")
    assert not any("models fit" in text for text in app.texts())
    assert typed(app, "textured swin").url["model"] == "swin-textured"  # the only one


def test_what_a_control_that_is_gone_still_sends_does_not_count(open_app):
    """The browser tells of a control until it has heard that it is gone, as of one in a chip that an undo changed."""
    app = open_app(model="swin-digits", scope="module").set("w_scope", "layer")
    late = app.widget("w_scope")._widget_state
    app.click("Undo")
    assert app.plan.scope == "module" and app.widget("w_scope")._widget_state.id != late.id
    states = app.at._tree.get_widget_states()
    states.widgets.append(late)
    app.at._run(states)
    assert app.run().plan.scope == "module"
