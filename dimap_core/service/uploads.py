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

from ..types import TEMPORARY, UPLOAD, DataError, sentence, temporary

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


def room_left(most: int) -> int:
    """MiB, `most` or a power of two below it, that an upload may have: the folder for temporary files holds it twice,
    as it comes from the browser and as it is kept. 0: there is no room."""
    free = shutil.disk_usage(tempfile.gettempdir()).free // (2 * _PIECE)
    return most if free >= most else 1 << (free.bit_length() - 1) if free else 0


def little_room(most: int) -> str:
    """What to say where an upload may have only `most` MiB."""
    left = f"only for files up to {most:,} MiB" if most else "for no file"
    return f"The folder for temporary files has room {left}; make room there, or choose {TEMPORARY}."


@dataclass
class Uploads:
    """Every session's uploads, oldest first."""

    _folder: tempfile.TemporaryDirectory = field(default_factory=lambda: temporary("dimap-uploads-"))
    _kept: dict[str, dict[str, Upload]] = field(default_factory=dict)

    def add(self, session: str, name: str, content: BinaryIO, suffix: str) -> Upload:
        """Keep a copy of `content`; the session's oldest files make room for it.

        `suffix`: of the file on disk, chosen by the caller and never taken from the name. Raises DataError where the
        file alone is larger than a session may keep, or than the disk takes.
        """
        token = secrets.token_hex(16)
        path, size = self.folder(session) / token / f"file{suffix}", 0
        try:
            path.parent.mkdir(parents=True)
            with path.open("wb") as file:
                while piece := content.read(_PIECE):
                    size += len(piece)
                    if size > MOST_BYTES:
                        raise DataError(
                            f"'{name[:80]}' is larger than {MOST_BYTES / 1024**3:g} GiB; start the app with the file "
                            "on this machine's disk and give its path."
                        )
                    file.write(piece)
        except BaseException as error:
            shutil.rmtree(path.parent, ignore_errors=True)
            if isinstance(error, OSError):
                raise DataError(sentence(self._folder.name, error, TEMPORARY)) from error
            raise
        mine = self._kept.setdefault(session, {})
        upload = mine[token] = Upload(token, name[:200], path, size)
        while len(mine) > _MOST_FILES or sum(upload.bytes for upload in tuple(mine.values())) > MOST_BYTES:
            self._remove(session, next(iter(mine)))
        return upload

    def find(self, session: str, token: str) -> Upload:
        """The session's upload; raises DataError for a token it does not have (any more)."""
        upload = self._kept.get(session, {}).get(token.removeprefix(UPLOAD))
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
