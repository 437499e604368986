"""Cuts that were tried, kept on disk one by one: a search that was stopped goes on where it was.

A search draws and tries the same cuts in the same order every time, so what is kept is known by what was asked: the
cut, with which refit, on how many images, against which rival. Next door: `bench` asks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ...types import HOME_SET, PruningError, told

Tried = Mapping[str, Any]


class Kept:
    """The cuts tried so far, in a file of one JSON object a line; `file` None: nothing is kept.

    Raises PruningError where the file cannot be read or written.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file, self._known = file, dict[str, Tried]()
        if file is None:
            return
        with told(file, PruningError, HOME_SET):
            file.parent.mkdir(parents=True, exist_ok=True)
            lines = file.read_text("utf-8").splitlines() if file.exists() else []
        for line in lines:
            with suppress(ValueError):  # the last one, where the process was ended while it wrote
                asked, found = json.loads(line)
                self._known[json.dumps(asked)] = found

    def find(self, asked: list[Any]) -> Tried | None:
        """What was kept for that question."""
        return self._known.get(json.dumps(asked))

    def add(self, asked: list[Any], found: Tried) -> None:
        """Keep an answer."""
        if self._file is not None:
            with told(self._file, PruningError, HOME_SET), self._file.open("a", encoding="utf-8") as lines:
                lines.write(f"\n{json.dumps([asked, found])}")
