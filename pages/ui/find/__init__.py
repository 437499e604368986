"""Find: what is asked of a search, its job on screen, and its answer.

Not here: long jobs as such (`session.jobs`), cards of trainings (`recover`). Next door: `parts`.
"""

from . import answer, asked, running

__all__ = ["answer", "asked", "running"]
