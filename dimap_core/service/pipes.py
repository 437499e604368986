"""A process's own end of the pipes to the client: events out, requests in. No torch.

Next door: `worker` and `cluster.relay` speak through it.
"""

from __future__ import annotations

import os
import sys
from typing import TextIO


def own_pipe() -> TextIO:
    """The pipe to the client, for events alone: what libraries print, even past Python, goes to the log."""
    pipe = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return pipe
