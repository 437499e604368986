"""Files that people bring: each session's in a folder of its own, gone with the session. No torch: the app writes them,
the workers read them.

An upload is known by its token (128 random bits); whoever has not made it cannot name it. What is inside is checked by
whoever opens it: `models` and `data`.
"""

from __future__ import annotations

import secrets
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from .errors import DataError

PREFIX = "upload:"
MOST_BYTES = 4 * 1024**3  # of one session's files
_MOST_FILES = 8
_PIECE = 1024**2


@dataclass(frozen=True)
class Upload:
    """One file: `token` names it towards the app, `name` is what its owner calls it, `path` where it lies."""

    token: str
    name: str
    path: Path
    bytes: int


@dataclass
class Uploads:
    """Every session's uploads, oldest first."""

    _folder: tempfile.TemporaryDirectory = field(
        default_factory=lambda: tempfile.TemporaryDirectory(prefix="dimap-uploads-")
    )
    _kept: dict[str, dict[str, Upload]] = field(default_factory=dict)

    def add(self, session: str, name: str, content: BinaryIO, suffix: str) -> Upload:
        """Keep a copy of `content`; the session's oldest files make room for it.

        `suffix`: of the file on disk, chosen by the caller and never taken from the name. Raises DataError where the
        file alone is larger than a session may keep.
        """
        token = secrets.token_hex(16)
        place = self.folder(session) / token
        place.mkdir(parents=True)
        path, size = place / f"file{suffix}", 0
        try:
            with path.open("wb") as file:
                while piece := content.read(_PIECE):
                    size += len(piece)
                    if size > MOST_BYTES:
                        raise DataError(
                            f"'{name[:80]}' is larger than {MOST_BYTES / 1024**3:g} GiB; start the app with the file "
                            "on this machine's disk and give its path."
                        )
                    file.write(piece)
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise
        mine = self._kept.setdefault(session, {})
        upload = mine[token] = Upload(token, name[:200], path, size)
        while len(mine) > _MOST_FILES or sum(upload.bytes for upload in tuple(mine.values())) > MOST_BYTES:
            self._remove(session, next(iter(mine)))
        return upload

    def find(self, session: str, token: str) -> Upload:
        """The session's upload; raises DataError for a token it does not have (any more)."""
        upload = self._kept.get(session, {}).get(token.removeprefix(PREFIX))
        if upload is None:
            raise DataError("That uploaded file is no longer here; upload it again.")
        return upload

    def folder(self, session: str) -> Path:
        """Where the session's files lie; it need not exist."""
        return Path(self._folder.name) / session

    def of(self, session: str) -> tuple[Upload, ...]:
        """The session's uploads, oldest first."""
        return tuple(self._kept.get(session, {}).values())

    def release(self, session: str) -> None:
        """Delete everything a session brought."""
        for token in tuple(self._kept.get(session, {})):
            self._remove(session, token)
        self._kept.pop(session, None)
        shutil.rmtree(self.folder(session), ignore_errors=True)

    def close(self) -> None:
        """Delete everything."""
        self._kept.clear()
        self._folder.cleanup()

    def _remove(self, session: str, token: str) -> None:
        gone = self._kept.get(session, {}).pop(token, None)  # another thread of the session may have been faster
        if gone is not None:
            shutil.rmtree(gone.path.parent, ignore_errors=True)
