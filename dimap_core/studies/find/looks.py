"""How often validation images were looked at for an answer: every look makes luck likelier, so intervals widen.

Kept on disk by model, images and recipe; the same answer looked at again counts once.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from ...types import HOME_SET, PruningError, home, told

_SCHEMA = "CREATE TABLE IF NOT EXISTS looks (model TEXT, data TEXT, recipe TEXT, PRIMARY KEY (model, data, recipe))"


def count_look(model: str, data: str, recipe: str, folder: Path | None = None) -> int:
    """Note that an answer of the model of that fingerprint was judged by those images; how many were so far, this one
    included. Raises PruningError where the folder cannot be written."""
    folder = folder or home()
    with told(folder, PruningError, HOME_SET):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with closing(sqlite3.connect(folder / "looks.sqlite", timeout=30)) as base, base:
                base.execute(_SCHEMA)
                base.execute("INSERT OR IGNORE INTO looks VALUES (?,?,?)", (model, data, recipe))
                found = base.execute("SELECT COUNT(*) FROM looks WHERE model = ? AND data = ?", (model, data))
                return int(found.fetchone()[0])
        except sqlite3.Error as error:
            raise PruningError(f"Looks cannot be counted in '{folder}' ({error}); choose {HOME_SET}.") from error
