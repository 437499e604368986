"""Files that a worker makes for somebody to take home: a folder a request, of which the newest are kept.

Next door: `requests` makes checkpoints, `story_requests` reports.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from ..types import whole_file

_KEPT = 20


def place(folder: Path, ticket: str, name: str) -> Path:
    """Where the file of that name is to be written; `folder`: the worker's."""
    made = folder / "exports" / ticket
    made.mkdir(parents=True, exist_ok=True)
    return made / name


def kept(path: Path) -> dict[str, Any]:
    """The event that says where a file lies that was written, a folder as a zip; those of the oldest requests go."""
    if path.is_dir():
        with whole_file(path.with_suffix(".zip")) as part:
            shutil.make_archive(str(part.with_suffix("")), "zip", path)
        path = path.with_suffix(".zip")
    folders = sorted(path.parents[1].iterdir(), key=lambda found: found.stat().st_mtime_ns)
    for older in folders[:-_KEPT]:
        shutil.rmtree(older, ignore_errors=True)
    return {"file": str(path), "bytes": path.stat().st_size}
