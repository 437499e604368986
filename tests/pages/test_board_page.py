"""The class board and the page for teachers: opened by a link, read-only without a key, cleared, in both languages."""

import re

import numpy as np
import pytest

from dimap_core.studies import all_lessons

ASKED, GAME = (2, 2), (9, 1)


def opened(open_app, page, **params):
    """A page that stands apart, come to by its own link."""
    app = open_app(**params)
    app.at.switch_page(f"pages/{page}.py")
    for key, value in params.items():
        app.at.query_params[key] = value
    return app.run()


def html(app):
    """What stands in HTML, without styles and scripts."""
    bodies = [element.proto.body for element in app.at.get("html")]
    return re.sub(r"<style>.*?</style>|<script>.*?</script>", "", "\n".join(bodies), flags=re.DOTALL)


def told(app):
    """The same without its marks."""
    return " ".join(re.sub(r"<[^>]+>", " ", html(app)).split())


def fill(room, name="7b", after=False):
    for number, option in enumerate("1" * 5 + "2" * 6 + "3" * 4 + "4" * 13):
        room.guess(name, f"{number}", ASKED, option, after=False)
        if after:
            room.guess(name, f"{number}", ASKED, "2", after=True)


def press(app, key):
    next(button for button in app.at.button if button.key == key).click()
    return app.run()


def test_a_board_opens_its_class_and_shows_the_answer_when_it_is_told_to(open_app, room):
    app = opened(open_app, "board", **{"class": "7b"})
    assert "No guesses yet" in told(app) and len(app.url["key"]) == 32
    assert app.at.title == [] and "recipe_line" not in str([block.proto for block in app.at.main])
    fill(room)
    text = told(app.run())
    assert "Which stage loses the largest share? Lesson 2, step 2, guesses before the answer" in text
    assert "Stage 1 5 Stage 2 6 Stage 3 4 Stage 4 13 28 guesses" in text and "28 taking part" in text
    assert "right" not in text
    text = told(press(app, "board_show"))
    assert "Stage 2 ✓ right 6" in text and "28 guesses, 6 of them right" in text
    assert "right" not in told(press(app, "board_show"))  # hidden again
    fill(room, after=True)
    assert "28 guesses before, 28 after" in told(app.run())
    assert "28 guesses before, 28 after: 6 were right, now 28" in told(press(app, "board_show"))
    press(app, "board_clear_now")
    assert "No guesses yet" in told(app) and room.board("7b").browsers == 0


def test_the_question_can_be_chosen(open_app, room):
    app = opened(open_app, "board", **{"class": "7b"})
    fill(room)
    room.guess("7b", "1", (1, 2), "4", after=False)
    assert "Lesson 2, step 2" in told(app.run())
    assert "Which stage has most of the weights?" in told(app.set("board_question", (1, 2)))
    assert "Lesson 2, step 2" in told(app.set("board_question", (0, 0)))


def test_without_the_key_a_board_only_shows(open_app, room):
    key = room.open("7b", "teacher")
    fill(room)
    app = opened(open_app, "board", **{"class": "7B", "lang": "de"})
    assert "28 Tipps" in told(app) and "Welche Stufe verliert den größten Anteil?" in told(app)
    assert app.at.button == [] and "key" not in app.url
    assert any("woanders geöffnet" in caption.value for caption in app.at.caption)
    mine = opened(open_app, "board", **{"class": "7b", "key": key})
    assert {button.key for button in mine.at.button} == {"board_show", "board_clear_now"}


def test_scores_stand_with_their_intervals_and_the_lead_is_judged(open_app, room):
    app = opened(open_app, "board", **{"class": "7b"})
    room.score("7b", "a", GAME, np.arange(1000) < 700)
    assert "One score so far" in told(app.run())
    room.score("7b", "b", GAME, np.arange(1000) >= 305)
    text = told(app.run())
    assert "1 70.0 2 69.5" in text and "First is 0.5 points above second (−" in text and "could be luck" in text
    room.score("7b", "c", GAME, np.arange(1000) < 760)
    text = told(app.run())
    assert "1 76.0 2 70.0 3 69.5" in text and "beyond chance" in text and "widened for 3 cuts tried" in text
    for number in range(9):
        room.score("7b", f"more {number}", GAME, np.arange(1000) < 600 - number)
    assert "and 5 more, down to 59.2" in told(app.run())


def test_a_board_without_a_class_asks_for_its_name(open_app, room):
    app = opened(open_app, "board")
    app.at.text_input[0].set_value("7b")
    app.at.button[0].click()
    app.run()
    assert "Class board 7b" in told(app) and room.open("7b", "other", app.url["key"])


@pytest.mark.parametrize("name", ["<b>x</b>", "7b'; DROP TABLE guesses"])
def test_a_name_that_is_none_is_told(open_app, room, name):
    app = opened(open_app, "board", **{"class": name})
    (error,) = app.at.error
    assert "letters, digits and hyphens" in error.value and "<b>x" not in html(app)


def test_teachers_open_a_class_and_get_both_links(open_app, room):
    app = opened(open_app, "teachers")
    assert not app.at.error and "recipe_line" not in str([block.proto for block in app.at.main])
    app.at.text_input[0].set_value("7b")
    app.at.button[0].click()
    app.run()
    links = [element.proto.url for element in app.at.get("link_button")]
    board = next(url for url in links if url.startswith("board?class=7b&key="))
    assert room.open("7b", "other", board[-32:]) == board[-32:]
    assert "learn?lesson=2&step=1&class=7b" in links and app.at.code[0].value.endswith("learn?class=7b")
    other = opened(open_app, "teachers")
    other.at.text_input[0].set_value("7b")
    other.at.button[0].click()
    assert any("opened elsewhere" in text for text in other.run().texts())


@pytest.mark.parametrize("language", ["en", "de"])
def test_each_lesson_has_its_aim_its_question_and_its_answers(open_app, room, language):
    app = opened(open_app, "teachers", lang=language)
    text = " ".join(app.texts())
    for one in all_lessons():
        assert all(words[language] in text for words in (one.title, one.aim, one.mistakes, one.ask))
    assert ("Stage 2" if language == "en" else "Stufe 2") in text  # an answer, in its fold
    assert (" 46–50 " in told(app)) and html(app).count("<section>") == 2
