"""What is typed as a percentage: a comma is a decimal point, and what is no share is one sentence."""

import pytest

from pages.ui.look import formats


@pytest.mark.parametrize(("text", "value"), [("50,5", 50.5), (" 33 % ", 33.0), ("0", 0.0), ("99.9", 99.9), ("1e1", 10)])
def test_a_percentage_is_read_as_it_is_written_in_most_of_the_world(text, value):
    assert formats.percentage(text) == value


@pytest.mark.parametrize("text", ["101", "-5", "", "half", "nan", "inf", "1,000,5", "99.95"])
def test_what_is_no_share_is_one_sentence(text):
    with pytest.raises(ValueError, match=r"^'.*' is not a share that can go; type a number from 0 to 99\.9, .*\.$"):
        formats.percentage(text)


def test_what_is_typed_is_taken_or_refused_in_words(open_app):
    app = open_app(model="swin-digits", ratio="0.8").judged()
    for text in ("101", "-5"):
        app.set("w_typed", text)
        (sentence,) = app.notices
        assert text in sentence and app.url["ratio"] == "0.8" and app.widget("w_typed").value == "80"
    assert app.set("w_typed", "50,5").url["ratio"] == "0.505"
    assert app.notices == [] and app.widget("w_typed").value == "50.5"
