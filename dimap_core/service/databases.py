"""What jobs and classes share: a SQLite file that cannot be used is told in one sentence, with the remedy."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..types import HOME_SET, PruningError, told


@contextmanager
def usable(folder: Path, what: str) -> Iterator[None]:
    """Raises PruningError where `folder`, or the database in it, cannot be used; `what` lies there: "Jobs"."""
    try:
        with told(folder, PruningError, HOME_SET):
            yield
    except sqlite3.Error as error:
        raise PruningError(f"{what} cannot be kept in '{folder}' ({error}); choose {HOME_SET}.") from error
