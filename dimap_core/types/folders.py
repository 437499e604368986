"""Where things lie on this machine: the project's assets, the user's home, jobs, image sets. No torch.

Whether a path is there is asked here too. Next door: `writing` writes files whole or not at all.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path


def data_folder() -> Path:
    """Where known sets are looked for: the environment's DIMAP_DATA, else a folder in the user's cache."""
    named = os.environ.get("DIMAP_DATA")
    return Path(named).expanduser() if named else user_home() / ".cache" / "dimap" / "data"


HOME_SET = "another folder by the setting DIMAP_HOME"


def home() -> Path:
    """Where jobs are kept: the setting DIMAP_HOME, or a folder of the user's own."""
    return Path(os.environ.get("DIMAP_HOME") or user_home() / ".local" / "share" / "dimap-explorer")


def user_home() -> Path:
    """The user's home folder, or one for temporary files where the system knows of none."""
    try:
        return Path.home()
    except RuntimeError:
        return Path(tempfile.gettempdir())


_PACKAGE = Path(__file__).resolve().parent.parent
ASSETS = _PACKAGE / "assets" if (_PACKAGE / "assets").is_dir() else _PACKAGE.parent / "assets"
"""Inside the package where it is installed, beside it in the checkout."""


def is_file(path: str) -> bool:
    """Whether a file lies there; False for what no path can be."""
    return _is(path, Path.is_file)


def is_folder(path: str) -> bool:
    """The same for a folder."""
    return _is(path, Path.is_dir)


def _is(path: str, what: Callable[[Path], bool]) -> bool:
    try:
        return bool(path) and what(Path(path))
    except (OSError, ValueError):  # longer than a path can be, or with a null byte
        return False
