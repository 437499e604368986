"""Class mode: thirty browsers at once, one that floods; two classes apart, a restart, a day, another server."""

import json
import sqlite3
import threading
from collections import Counter

import numpy as np
import pytest

from dimap_core.measure.intervals import paired_difference, wilson
from dimap_core.service import classroom
from dimap_core.service.classroom import MOST_BROWSERS, MOST_CLASSES, MOST_ROWS, Classroom
from dimap_core.types.errors import PruningError
from tests.helpers import assert_refused

ASKED, GAME = (2, 2), (9, 1)
THIRTY = [f"{number:032x}" for number in range(30)]


class Clock:
    """The time of the store: it stands still until it is moved."""

    def __init__(self, now=1e9):
        self.now = now

    def time(self):
        return self.now

    monotonic = time


@pytest.fixture
def clock(monkeypatch):
    standing = Clock()
    monkeypatch.setattr(classroom, "time", standing)
    return standing


@pytest.fixture
def room(tmp_path, clock):
    opened = Classroom(tmp_path)
    opened.key = opened.open("7b", "teacher")
    yield opened
    opened.close()


def answers(right, n=100):
    return np.arange(n) < right


def test_thirty_browsers_guess_and_score_at_once(room):
    failed = []

    def learner(number, token):
        try:
            room.guess("7b", token, ASKED, f"stage {number % 4 + 1}", after=False)
            room.score("7b", token, GAME, answers(50 + number))
            room.guess("7b", token, ASKED, "stage 2", after=True)
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=learner, args=item) for item in enumerate(THIRTY)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    board = room.board("7b")
    assert failed == [] and board.browsers == 30 and board.here == ASKED
    assert board.questions[ASKED].before == {"stage 1": 8, "stage 2": 8, "stage 3": 7, "stage 4": 7}
    assert board.questions[ASKED].after == {"stage 2": 30} and not board.questions[ASKED].shown
    game = board.games[GAME]
    assert [score.correct for score in game.scores] == list(range(79, 49, -1))
    assert game.scores[0] == wilson(79, 100) and game.tries == 30
    assert game.lead == paired_difference(answers(79), answers(78), looks=30)


def test_the_latest_guess_and_the_best_score_of_a_browser_count(room):
    for option in ("stage 4", "stage 2"):
        room.guess("7b", THIRTY[0], ASKED, option, after=False)
    for right in (60, 70, 65):
        room.score("7b", THIRTY[0], GAME, answers(right))
    board = room.board("7b")
    assert board.questions[ASKED].before == {"stage 2": 1}
    assert [score.correct for score in board.games[GAME].scores] == [70]
    assert board.games[GAME].tries == 3 and board.games[GAME].lead is None


def test_a_lead_is_judged_on_the_same_images(room):
    """Two cuts that differ by ten images of a hundred: in ten of them, or in fifty."""
    alike, apart = answers(60), np.roll(answers(60), 20)
    alike_less = answers(50)
    for token, found in zip(THIRTY, (alike, alike_less), strict=False):
        room.score("7b", token, (9, 1), found)
    apart[np.flatnonzero(apart)[:10]] = False
    for token, found in zip(THIRTY, (alike, apart), strict=False):
        room.score("7b", token, (9, 2), found)
    near, far = (room.board("7b").games[place].lead for place in ((9, 1), (9, 2)))
    assert near.value == far.value == 0.1
    assert near.low > 0 > far.low


def test_a_browser_that_floods_is_refused_and_hurts_nobody(room, clock):
    sent = Counter()
    for _ in range(500):
        try:
            room.guess("7b", "flood", ASKED, "stage 1", after=False)
            sent["kept"] += 1
        except PruningError as error:
            sent[str(error)] += 1
    assert sent == {"kept": 20, "Those were too many answers at once; wait a few seconds.": 480}
    for token in THIRTY:
        room.guess("7b", token, ASKED, "stage 2", after=False)
    assert room.board("7b").questions[ASKED].before == {"stage 1": 1, "stage 2": 30}
    clock.now += 2
    room.guess("7b", "flood", ASKED, "stage 3", after=False)
    assert room.board("7b").questions[ASKED].before == {"stage 3": 1, "stage 2": 30}


def test_all_is_bounded(room, clock):
    for number in range(MOST_ROWS):
        clock.now += 1
        room.guess("7b", "busy", (1 + number // 99, 1 + number % 99), "yes", after=False)
    clock.now += 1
    room.guess("7b", "busy", (1, 1), "no", after=False)  # in the place of an older one
    assert_refused(PruningError, lambda: room.guess("7b", "busy", (9, 9), "yes", after=False), "as much as")
    for number in range(MOST_BROWSERS - 1):
        room.guess("7b", f"other {number}", ASKED, "yes", after=False)
    assert_refused(PruningError, lambda: room.guess("7b", "one more", ASKED, "yes", after=False), f"{MOST_BROWSERS}")
    room.guess("7b", "other 7", ASKED, "no", after=False)
    assert room.board("7b").browsers == MOST_BROWSERS
    for number in range(MOST_CLASSES - 1):
        room.open(f"class-{number}", "teacher")
    assert_refused(PruningError, lambda: room.open("one-more", "teacher"), f"{MOST_CLASSES}")


@pytest.mark.parametrize(
    "name", ["", " ", "-", "7 b", "7b/../x", "a" * 41, "7b'; DROP TABLE guesses; --", "<b>", "7\0b"]
)
def test_what_is_no_name_is_refused(room, name):
    for call in (
        lambda name: room.open(name, "me"),
        room.board,
        lambda name: room.guess(name, "me", ASKED, "yes", after=False),
    ):
        assert_refused(PruningError, lambda call=call: call(name), "letters, digits and hyphens")


@pytest.mark.parametrize("place", [(0, 1), (1, 0), (-1, 1), (100, 1), (1, 100), ("1", 1), (1.0, 2), (1, None)])
def test_what_is_no_step_is_refused(room, place):
    assert_refused(PruningError, lambda: room.guess("7b", "me", place, "yes", after=False), "There is no lesson")
    assert room.board("7b").questions == {}


def test_what_is_no_option_is_refused(room):
    for option in ("", "x" * 41):
        assert_refused(
            PruningError, lambda option=option: room.guess("7b", "me", ASKED, option, after=False), "answers"
        )


def test_two_classes_stay_apart(room):
    key = room.open("7c", "teacher")
    room.guess("7b", THIRTY[0], ASKED, "stage 1", after=False)
    room.guess("7C", THIRTY[0], ASKED, "stage 2", after=False)  # names do without capitals
    room.score("7c", THIRTY[0], GAME, answers(50))
    room.show("7c", key, ASKED, True)
    first, second = room.board("7b"), room.board("7c")
    assert first.questions[ASKED].before == {"stage 1": 1} and first.games == {} and not first.questions[ASKED].shown
    assert second.questions[ASKED].before == {"stage 2": 1} and second.questions[ASKED].shown
    room.clear("7c", key)
    assert room.board("7c").questions == {} == room.board("7c").games and room.board("7c").browsers == 0
    assert room.board("7b") == first
    room.guess("7c", THIRTY[0], ASKED, "stage 3", after=False)  # it is still open
    assert room.board("7c").questions[ASKED].before == {"stage 3": 1}


def test_only_who_opened_a_class_shows_and_clears(room):
    assert all(room.open("7b", "other", key) is None for key in ("", "0" * 32, "ü"))
    assert room.open("7b", "other", room.key) == room.open("7b", "teacher") == room.key
    room.guess("7b", "me", ASKED, "stage 1", after=False)
    for key in ("", "0" * 32, "ü"):
        assert_refused(PruningError, lambda key=key: room.clear("7b", key), "opened elsewhere")
        assert_refused(PruningError, lambda key=key: room.show("7b", key, ASKED, True), "opened elsewhere")
    assert room.board("7b").browsers == 1 and not room.board("7b").questions[ASKED].shown
    room.show("7b", room.key, ASKED, True)
    assert room.board("7b").questions[ASKED].shown
    room.show("7b", room.key, ASKED, False)
    assert not room.board("7b").questions[ASKED].shown


def test_a_class_that_nobody_opened_keeps_nothing(room):
    assert_refused(PruningError, lambda: room.guess("7d", "me", ASKED, "stage 1", after=False), "No class '7d'")
    assert room.board("7d").browsers == 0 and room.board("7d").here is None


def test_a_restart_keeps_all_and_a_day_drops_it(room, tmp_path, clock):
    room.guess("7b", "me", ASKED, "stage 1", after=False)
    room.score("7b", "me", GAME, answers(50))
    room.show("7b", room.key, ASKED, True)
    before = room.board("7b")
    room.close()
    clock.now += 80000
    again = Classroom(tmp_path)
    assert again.board("7b") == before and again.open("7b", "teacher") == room.key
    again.guess("7b", "me", ASKED, "stage 2", after=False)
    assert again.board("7b").questions[ASKED].before == {"stage 2": 1}  # the same browser still
    again.close()
    clock.now += 80000
    later = Classroom(tmp_path)
    assert later.board("7b").questions[ASKED].before == {"stage 2": 1} and later.board("7b").games == {}
    later.close()
    clock.now += 80000
    last = Classroom(tmp_path)
    assert last.board("7b").browsers == 0 and last.open("7b", "teacher") not in (None, room.key)
    last.close()


def test_the_board_is_where_most_of_the_class_is(room, clock):
    for number, token in enumerate(THIRTY):
        for step in range(1, 2 + (number < 20)):
            clock.now += 1
            room.guess("7b", token, (2, step), "yes", after=False)
    room.guess("7b", "ahead", (9, 9), "yes", after=False)
    assert room.board("7b").here == (2, 2)


def test_the_file_tells_nothing_of_a_browser(room, tmp_path):
    room.guess("7b", "my token", ASKED, "stage 1", after=False)
    room.score("7b", "my token", GAME, answers(50))
    other = room.open("7c", "teacher")
    room.guess("7c", "my token", ASKED, "stage 1", after=False)
    base = sqlite3.connect(tmp_path / "classes.sqlite")
    tables = [name for (name,) in base.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    kept = {table: base.execute(f"SELECT * FROM {table}").fetchall() for table in tables}
    base.close()
    assert set(tables) == {"classes", "browsers", "guesses", "scores", "shown"}
    assert "my token" not in json.dumps(kept, default=bytes.hex) and other
    ((first, mine), (second, elsewhere)) = sorted(kept["browsers"])
    assert (first, second) == ("7b", "7c") and mine != elsewhere and len(mine) == 32


def test_two_servers_share_a_file(room, tmp_path):
    other = Classroom(tmp_path)
    room.guess("7b", "me", ASKED, "stage 1", after=False)
    other.guess("7b", "you", ASKED, "stage 1", after=False)
    assert room.board("7b") == other.board("7b") and room.board("7b").browsers == 2
    other.close()


def test_a_folder_that_cannot_be_used_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    assert_refused(PruningError, lambda: Classroom(tmp_path / "file" / "home"), "DIMAP_HOME")
    (tmp_path / "classes.sqlite").write_bytes(b"no database" * 100)
    assert_refused(PruningError, lambda: Classroom(tmp_path), "DIMAP_HOME")
