"""Downloads that go on: what came of a file before its process was killed stays, and is not fetched again.

A file lies beside its place as PART until all of it is there and found to be the one that is wanted; whoever asks next
asks the server for the rest. One process at a time: others wait, and find the file.
Next door: `sets` and `models.hub` say which files.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from huggingface_hub import constants
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.file_download import http_get
from huggingface_hub.utils import WeakFileLock

from ..types import DataError

PART = ".part"
# The client tells its progress once a chunk (of 10 MB, if nothing is said), and takes up a broken connection after one.
constants.DOWNLOAD_CHUNK_SIZE = 256 * 1024
_NOTHING_LEFT = 416  # what a server answers when a file has no more bytes than are there already


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
