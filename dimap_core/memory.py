"""What the allocator keeps for later goes back to the system, so that a process that serves for hours stays as large as
what it holds. Next door: `worker` asks for it now and then.
"""

from __future__ import annotations

import ctypes


def give_back() -> None:
    """Return free heap pages (about 15 ms); does nothing where the C library has no such call."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return
    trim(0)
