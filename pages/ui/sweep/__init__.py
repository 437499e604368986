"""Sweep: what is asked of one, how it stands, and what it found: curves, front, table.

Not here: long jobs as such (`session.jobs`), a single search for the best cut (`find`). Next door: `parts`.
"""

from . import asked, running

__all__ = ["asked", "running"]
