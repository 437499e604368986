"""How much memory models may take, and giving back what the allocator keeps. No torch.

`DIMAP_MEMORY_GIB` sets what the models of both worker processes may take together, weights, cuts, scores and what a
batch makes of them; the processes themselves come on top, with half a GiB each. Without it three quarters of the
machine's memory are allowed, at most 24 GiB.
Next door: `footprint` says what a model needs, `service.open_models` makes room, `service.worker` caps its own process.
"""

from __future__ import annotations

import ctypes
import os
import resource
from pathlib import Path

from ..types import DataError

GIB = 1024**3
SETTING = "DIMAP_MEMORY_GIB"
_MOST, _SHARE = 24 * GIB, 0.75
_WORKERS = 2
_SLACK = 2 * GIB  # of a process beside its models: libraries, statistics under way, files being written


def allowed() -> int:
    """Bytes for the models of one worker process; raises DataError where the setting is no number above zero."""
    text = os.environ.get(SETTING, "").strip()
    if not text:
        return int(min(_MOST, _SHARE * machine())) // _WORKERS
    try:
        gib = float(text)
    except ValueError:
        gib = 0.0
    if not 0 < gib < float("inf"):
        raise DataError(f"{SETTING} is '{text[:40]}'; set it to a number of GiB such as 8.")
    return int(gib * GIB) // _WORKERS


def machine() -> int:
    """Bytes of memory that this process may have: the machine's, or its container's where that is less."""
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(whole, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    except (OSError, ValueError):  # no container, or one without a limit ("max")
        return whole


def cap(models: int) -> None:
    """Let allocations fail, which the worker reports in a sentence, before the machine runs out of memory: a backstop
    behind the refusals, for what no estimate foresaw. Does nothing where the system has no such limit."""
    try:
        used = next(
            int(line.split()[1]) * 1024
            for line in Path("/proc/self/status").read_text().splitlines()
            if line.startswith("VmData")
        )
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        wanted = used + models + _SLACK
        resource.setrlimit(resource.RLIMIT_DATA, (wanted if hard < 0 else min(wanted, hard), hard))
    except (OSError, ValueError, StopIteration):
        return


def give_back() -> None:
    """Return free heap pages (about 15 ms); does nothing where the C library has no such call."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return
    trim(0)
