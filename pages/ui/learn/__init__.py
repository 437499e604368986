"""The Learn page's parts: a step's card, what stands beside it, the list of lessons, the sandbox where a criterion is
invented.

Not here: what a lesson has the learner do (`exercises`), its texts (assets/lessons), where a session is in it
(`session.lesson`). Next door: `exercises`.
"""

from . import card, overview, sandbox, stage

__all__ = ["card", "overview", "sandbox", "stage"]
