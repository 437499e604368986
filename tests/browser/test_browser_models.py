"""Other models: bundled ones, names that cannot be opened, random weights, and links that ask for nonsense."""

import pytest

pytestmark = pytest.mark.browser
OFFLINE = "are not cached and no model hub was reached"


def test_other_bundled_models_are_one_choice_away(visit):
    screen = visit(model="swin-digits").live()
    screen.choose("w_model", "deit-textured").linked(model="deit-textured").live()
    assert "of 924 k" in screen.metric(0)
    assert "block group 4" in screen.widget("kept").inner_text()
    screen.until("document.querySelector('.st-key-metrics').innerText.includes(', n = ')")  # so far, or all of it
    screen.choose("w_model", "deit-digits").linked(model="deit-digits").judged()
    assert "of 907 k" in screen.metric(0) and "n = 540" in screen.metric(2)


def test_a_name_that_cannot_be_opened_is_one_sentence_and_the_earlier_model_stays(visit):
    screen = visit(model="deit-digits", ratio="0.6").live()
    for name, words in (
        ("resnet50", "'resnet50' is not a Swin or DeiT"),
        ("nothing-like-it", "There is no model 'nothing-like-it'"),
        ("swin_tiny_patch4_window7_224", OFFLINE),
    ):
        screen.type("w_model", name)
        screen.page.get_by_text(words).wait_for()
        assert words in screen.notice() and screen.notice().endswith((".", "?"))
        screen.linked(model="deit-digits", ratio="0.6").live()
        assert screen.widget("w_model").locator("input").input_value() == "deit-digits"
        assert "of 907 k" in screen.metric(0)


def test_random_weights_are_counted_and_said_to_mean_nothing(visit):
    screen = visit(model="deit_tiny_patch16_224", weights="random").live()
    assert "of 5.72 M" in screen.metric(0) and "of 1.25 G" in screen.metric(1)
    assert "–" in screen.metric(2) and "random weights" in screen.text()
    assert "Accuracy needs a trained model" in screen.text()
    screen.press("w_ratio", "ArrowRight").linked(ratio="0.85")
    assert screen.widget("w_random").locator("input").is_checked()
    screen.widget("w_random").locator("label").click()
    assert OFFLINE in screen.notice()
    screen.linked(weights="random", ratio="0.85").live()
    assert screen.widget("w_random").locator("input").is_checked()


def test_nonsense_in_a_link_is_one_sentence_and_the_default_works(visit):
    screen = visit()
    for link in (
        {"scope": "foo"},
        {"model": "resnet50"},
        {"scope": "![x](http://example.com/x.png)"},
        {"model": "![x](http://example.com/y.png)"},
        {"bogus": "<img src=http://example.com/z.png>"},
    ):
        screen.open(**link)
        assert len(screen.notice()) > 20
        screen.linked(model="swin-textured", ratio="0.8").live()
        assert screen.page.locator("[data-testid=stAlert] img").count() == 0
        assert "401 k" in screen.metric(0)
        screen.check()
