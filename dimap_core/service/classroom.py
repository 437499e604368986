"""Class mode: what a room of learners guesses and scores, without names, kept on disk for a day.

A class is opened by whoever asks for its board first; the key that they get, again in the same browser, lets them show
answers and clear it. Of a learner nothing is kept but guesses, the best score of each game and when they came, under a
number that is made of the browser's token and the class's own salt. Bounded in every direction; who sends too much is
refused, alone.
Next door: `jobs` keeps long work in the same way. No torch here.
"""

from __future__ import annotations

import secrets
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from ..measure import paired_difference, wilson
from ..types import Difference, Proportion, PruningError, home
from .databases import usable

MOST_CLASSES = 20
MOST_BROWSERS = 200
"""Of one class."""
MOST_ROWS = 200
"""Guesses and scores of one browser."""
_NAME, _OPTION, _NUMBER = 40, 40, 99  # characters of a name and of an option; lessons and steps
_BURST, _EVERY = 20, 1.0  # answers of a browser at once; seconds until it may send one more
_DAY = 86400.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS classes (class TEXT PRIMARY KEY, key TEXT, salt TEXT, opener TEXT, opened REAL);
CREATE TABLE IF NOT EXISTS browsers (class TEXT, browser TEXT, PRIMARY KEY (class, browser));
CREATE TABLE IF NOT EXISTS guesses (class TEXT, browser TEXT, lesson INTEGER, step INTEGER, after INTEGER, option TEXT,
    time REAL, PRIMARY KEY (class, browser, lesson, step, after));
CREATE TABLE IF NOT EXISTS scores (class TEXT, browser TEXT, lesson INTEGER, step INTEGER, n INTEGER, correct INTEGER,
    answers BLOB, tries INTEGER, time REAL, PRIMARY KEY (class, browser, lesson, step));
CREATE TABLE IF NOT EXISTS shown (class TEXT, lesson INTEGER, step INTEGER, PRIMARY KEY (class, lesson, step));
"""
_TABLES = ("browsers", "guesses", "scores", "shown")

Place = tuple[int, int]
"""Lesson and step, both from 1."""


@dataclass
class Tally:
    """Guesses at one question, by option: `before` the learners saw the answer and `after`; `shown`: whether the
    teacher shows it."""

    before: Counter[str] = field(default_factory=Counter)
    after: Counter[str] = field(default_factory=Counter)
    shown: bool = False


@dataclass(frozen=True)
class Game:
    """The best score of each browser, highest first; `tries`: how many cuts were judged for them; `lead`: the first
    over the second on the same images, paired, its interval widened for so many looks."""

    scores: Sequence[Proportion]
    tries: int
    lead: Difference | None


@dataclass(frozen=True)
class Board:
    """A class as it stands; `here`: the question that most browsers answered last."""

    browsers: int
    questions: Mapping[Place, Tally]
    games: Mapping[Place, Game]
    here: Place | None


def class_name(text: str) -> str:
    """A class's name as it is kept: letters, digits and hyphens, small letters; raises PruningError for others."""
    name = text.strip().casefold()
    if not 0 < len(name) <= _NAME or not name.replace("-", "").isalnum():
        raise PruningError(f"'{text[:_NAME]}' names no class; take up to {_NAME} letters, digits and hyphens.")
    return name


class Classroom:
    """All classes of this machine; raises PruningError, then and later, where `folder` cannot be written."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or home()
        self._lock = threading.Lock()
        self._sent: dict[tuple[str, str], tuple[float, float]] = {}  # (answers left, when) by class and browser
        with usable(self._folder, "Classes"):
            self._folder.mkdir(parents=True, exist_ok=True)
            place = self._folder / "classes.sqlite"
            self._base = sqlite3.connect(place, check_same_thread=False, isolation_level=None, timeout=30)
            self._base.execute("PRAGMA journal_mode=WAL")
            self._base.execute("PRAGMA synchronous=NORMAL")  # what a power cut loses is a guess, never the file
            self._base.executescript(_SCHEMA)
        self._drop_old()

    def close(self) -> None:
        """Let the file go."""
        self._base.close()

    def open(self, name: str, token: str, key: str = "") -> str | None:
        """The key of a class, to whoever opens it or has it already, or whose browser's `token` opened it; None to all
        others."""
        name = class_name(name)
        self._drop_old()
        with self._changing() as do:
            found = do("SELECT key, salt, opener FROM classes WHERE class = ?", name)
            if found:
                known, salt, opener = found[0]
                return known if _same(known, key) or _same(opener, _browser(token, salt)) else None
            if do("SELECT COUNT(*) FROM classes")[0][0] >= MOST_CLASSES:
                raise PruningError(f"{MOST_CLASSES} classes are open already; use one of them, or wait for a day.")
            new, salt = secrets.token_hex(16), secrets.token_hex(16)
            do("INSERT INTO classes VALUES (?,?,?,?,?)", name, new, salt, _browser(token, salt), time.time())
            return new

    def guess(self, name: str, token: str, place: Place, option: str, after: bool) -> None:
        """Keep a browser's guess at a question, which replaces its last one; `token`: the browser's own."""
        if not 0 < len(option) <= _OPTION:
            raise PruningError("That is none of the question's answers; choose one of them.")
        with self._answering(name, token, place) as (do, who):
            do("INSERT OR REPLACE INTO guesses VALUES (?,?,?,?,?,?,?)", *who, *place, after, option, time.time())

    def score(self, name: str, token: str, place: Place, answers: np.ndarray) -> None:
        """Keep what a browser's cut got right in a game, boolean [n], as this server judged it: its best one stays."""
        n, correct = len(answers), int(answers.sum())
        with self._answering(name, token, place) as (do, who):
            do("INSERT OR IGNORE INTO scores VALUES (?,?,?,?,?,?,?,?,?)", *who, *place, n, -1, b"", 0, time.time())
            mine = "WHERE class = ? AND browser = ? AND lesson = ? AND step = ?"
            do(f"UPDATE scores SET tries = tries + 1 {mine}", *who, *place)
            new = n, correct, np.packbits(answers).tobytes(), time.time()
            do(f"UPDATE scores SET n = ?, correct = ?, answers = ?, time = ? {mine} AND (correct < ? OR n != ?)",
               *new, *who, *place, correct, n)  # fmt: skip

    def show(self, name: str, key: str, place: Place, shown: bool) -> None:
        """Show a question's answer on the board, or hide it again."""
        with self._teaching(name, key) as (do, name):
            do("DELETE FROM shown WHERE class = ? AND lesson = ? AND step = ?", name, *place)
            if shown:
                do("INSERT INTO shown VALUES (?,?,?)", name, *place)

    def clear(self, name: str, key: str) -> None:
        """Forget all that a class guessed and scored, and who was there; it stays open."""
        with self._teaching(name, key) as (do, name):
            for table in _TABLES:
                do(f"DELETE FROM {table} WHERE class = ?", name)
            self._sent = {of: sent for of, sent in self._sent.items() if of[0] != name}

    def board(self, name: str) -> Board:
        """A class as it stands; an empty one where none is open."""
        name = class_name(name)
        with self._changing() as do:
            browsers = do("SELECT COUNT(*) FROM browsers WHERE class = ?", name)[0][0]
            asked = "SELECT browser, lesson, step, after, option FROM guesses WHERE class = ? ORDER BY time"
            guesses, shown = do(asked, name), do("SELECT lesson, step FROM shown WHERE class = ?", name)
            columns = "lesson, step, n, correct, answers, tries"
            scores = do(f"SELECT {columns} FROM scores WHERE class = ? ORDER BY correct DESC, time", name)
        last = Counter({browser: (lesson, step) for browser, lesson, step, *_ in guesses}.values())
        here = max(last, key=lambda place: (last[place], place), default=None)
        return Board(browsers, _tallies(guesses, shown), _games(scores), here)

    @contextmanager
    def _answering(self, name: str, token: str, place: Place) -> Iterator[tuple[Any, tuple[str, str]]]:
        """(what runs a statement, class and browser) for one who may send an answer; raises PruningError else."""
        name = class_name(name)
        if not all(isinstance(number, int) and 0 < number <= _NUMBER for number in place):
            raise PruningError(f"There is no lesson {place[0]} with a step {place[1]}; open one of the list.")
        with self._changing() as do:
            salt = do("SELECT salt FROM classes WHERE class = ?", name)
            if not salt:
                raise PruningError(f"No class '{name}' is open here; check its name on the board.")
            who = name, _browser(token, salt[0][0])
            if not do("SELECT 1 FROM browsers WHERE class = ? AND browser = ?", *who):
                if do("SELECT COUNT(*) FROM browsers WHERE class = ?", name)[0][0] >= MOST_BROWSERS:
                    raise PruningError(f"The class has {MOST_BROWSERS} browsers already; go on without it.")
                do("INSERT INTO browsers VALUES (?,?)", *who)
            self._slow_down(who)
            yield do, who
            rows = sum(do(f"SELECT COUNT(*) FROM {table} WHERE class = ? AND browser = ?", *who)[0][0]
                       for table in ("guesses", "scores"))  # fmt: skip
            if rows > MOST_ROWS:
                raise PruningError("This browser has sent as much as a class keeps; go on without it.")

    def _slow_down(self, who: tuple[str, str]) -> None:
        """Raise PruningError for a browser that answers faster than a hand can."""
        now = time.monotonic()
        left, since = self._sent.get(who, (float(_BURST), now))
        left = min(_BURST, left + (now - since) / _EVERY)
        self._sent[who] = max(left - 1, 0.0), now
        if left < 1:
            raise PruningError("Those were too many answers at once; wait a few seconds.")

    @contextmanager
    def _teaching(self, name: str, key: str) -> Iterator[tuple[Any, str]]:
        """The same for who has the key."""
        name = class_name(name)
        with self._changing() as do:
            found = do("SELECT key FROM classes WHERE class = ?", name)
            if not found or not _same(found[0][0], key):
                raise PruningError(f"Class '{name}' was opened elsewhere; use its board there, or another name.")
            yield do, name

    def _drop_old(self) -> None:
        """Forget what is older than a day."""
        with self._changing() as do:
            before = time.time() - _DAY
            for table in ("guesses", "scores"):
                do(f"DELETE FROM {table} WHERE time < ?", before)
            kept = "SELECT class FROM guesses UNION SELECT class FROM scores"
            do(f"DELETE FROM classes WHERE opened < ? AND class NOT IN ({kept})", before)
            for table in _TABLES:
                do(f"DELETE FROM {table} WHERE class NOT IN (SELECT class FROM classes)")

    @contextmanager
    def _changing(self) -> Iterator[Any]:
        """What runs a statement and returns its rows, all of the block or nothing of it."""

        def do(statement: str, *values: Any) -> list[Any]:
            return self._base.execute(statement, values).fetchall()

        with self._lock, usable(self._folder, "Classes"):
            do("BEGIN IMMEDIATE")
            try:
                yield do
            except BaseException:
                do("ROLLBACK")
                raise
            do("COMMIT")


def _browser(token: str, salt: str) -> str:
    """What a browser is called in a class."""
    return blake2b(token.encode(), key=bytes.fromhex(salt), digest_size=16).hexdigest()


def _same(one: str, other: str) -> bool:
    return secrets.compare_digest(one.encode(), other.encode())


def _tallies(guesses: Sequence[tuple[str, int, int, int, str]], shown: Sequence[Place]) -> dict[Place, Tally]:
    found: dict[Place, Tally] = {}
    for _, lesson, step, after, option in guesses:
        tally = found.setdefault((lesson, step), Tally(shown=(lesson, step) in shown))
        (tally.after if after else tally.before)[option] += 1
    return found


def _games(rows: Sequence[tuple[int, int, int, int, bytes, int]]) -> dict[Place, Game]:
    """`rows`, best first: lesson, step, n, correct, packed answers, tries."""
    found: dict[Place, list[Any]] = {}
    for lesson, step, *row in rows:
        found.setdefault((lesson, step), []).append(tuple(row))
    return {place: _game(own) for place, own in found.items()}


def _game(rows: Sequence[tuple[int, int, bytes, int]]) -> Game:
    tries = sum(row[3] for row in rows)
    lead = None
    if len(rows) > 1 and rows[0][0] == rows[1][0]:
        first, second = (np.unpackbits(np.frombuffer(row[2], np.uint8), count=row[0]).astype(bool) for row in rows[:2])
        lead = paired_difference(first, second, looks=tries)
    return Game([wilson(correct, n) for n, correct, _, _ in rows], tries, lead)
