"""When, by what and on what a report is made.

Next door: `gathering` asks at the end.
"""

from __future__ import annotations

import os
import platform
import tomllib
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from ...types import ASSETS
from .contents import Made


def made(seconds: float) -> Made:
    """Now, here, after so many seconds of work."""
    names = ("torch", "timm", "numpy", "plotly")
    versions = {"DIMAP Explorer": own_version(), "Python": platform.python_version()}
    versions |= {name: version(name) for name in names}
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return Made(now, versions, _processor(), torch.get_num_threads(), round(seconds, 1))


def own_version() -> str:
    """Of the installed package, or of the checkout that runs."""
    project = ASSETS.parent / "pyproject.toml"
    try:
        return version("dimap-explorer")
    except PackageNotFoundError:
        return str(tomllib.loads(project.read_text("utf-8"))["project"]["version"]) if project.exists() else "unknown"


def _processor() -> str:
    """Its name and how many cores there are; a GPU where torch has one."""
    if torch.cuda.is_available():
        return f"{torch.cuda.get_device_name()}"
    path = Path("/proc/cpuinfo")
    lines = path.read_text("utf-8", "replace").splitlines() if path.exists() else []
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor() or platform.machine()}, {os.cpu_count()} cores"
