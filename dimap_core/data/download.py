"""Downloads that go on: what came of a file before its process was killed stays, and is not fetched again.

A file lies beside its place as PART until all of it is there and found to be the one that is wanted; whoever asks next
asks the server for the rest. One process at a time: others wait, and find the file.
Next door: `sets` and `models.hub` say which files.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from huggingface_hub import constants
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.file_download import http_get
from huggingface_hub.utils import WeakFileLock
from tqdm import tqdm

from ..types import DataError

PART = ".part"
# The client tells its progress once a chunk (of 10 MB, if nothing is said), and takes up a broken connection after one.
constants.DOWNLOAD_CHUNK_SIZE = 256 * 1024
_NOTHING_LEFT = 416  # what a server answers when a file has no more bytes than are there already


@dataclass
class Download:
    """A file on its way: bytes `done` of `total` (0: not known yet), of which an earlier try `had` some; what is
    `doing` now, in words; `ended`, with an `error` if it failed."""

    doing: str
    done: int = 0
    total: int = 0
    had: int = 0
    begun: float = field(default_factory=time.monotonic)
    ended: threading.Event = field(default_factory=threading.Event)
    error: Exception | None = None

    @property
    def left(self) -> float | None:
        """Seconds that the rest takes at the speed so far; None before anything came."""
        came = self.done - self.had
        return (time.monotonic() - self.begun) * (self.total - self.done) / came if came > 0 else None

    def event(self) -> dict[str, Any]:
        """What the page is told."""
        return {"doing": self.doing, "done": self.done, "total": self.total, "left": self.left}

    def bar(self) -> type[tqdm]:
        """What huggingface_hub's client tells its progress to as `tqdm_class`; nothing is written on the terminal."""
        download = self

        class Bar(tqdm):
            def __init__(self, *arguments: Any, **more: Any) -> None:
                download.total, download.begun = int(more.get("total") or 0), time.monotonic()
                download.done = download.had = int(more.get("initial") or 0)
                super().__init__(*arguments, **{**more, "disable": True})

            def update(self, n: float | None = 1) -> bool | None:
                download.done += int(n or 0)
                return None

        return Bar


def download(url: str, place: Path, wanted: Callable[[Path], bool], **more: Any) -> None:
    """Bring the file at `url` to `place`, going on with what an earlier try left there.

    Args:
        wanted: whether a file is the one at `url`, by checksum or size.
        more: for huggingface_hub's `http_get`, which takes up connections that break: headers, expected_size, ...

    Raises:
        DataError: what the server sends is another file.
        Exception: any error of the HTTP client; what has come stays.
    """
    part = place.with_name(f"{place.name}{PART}")
    with WeakFileLock(f"{part}.lock"):
        if place.exists():
            return
        for _ in range(2):  # anew where what an earlier try left turns out to be of another file
            began = _go_on(url, part, more)
            if wanted(part):
                part.replace(place)
                Path(f"{part}.lock").unlink(missing_ok=True)  # whoever waits for it finds the file
                return
            part.unlink()
            if not began:
                break
    raise DataError(f"What was fetched from {url} is not the file that was published there; try again later.")


def _go_on(url: str, part: Path, more: dict[str, Any]) -> int:
    """Fetch what is missing of a file; returns how many bytes of it were there before."""
    with part.open("ab") as file:
        began = file.tell()
        try:
            http_get(url, file, resume_size=began, **more)
        except HfHubHTTPError as error:
            if not began or error.response.status_code != _NOTHING_LEFT:
                raise
    return began
