"""The Learn page's parts: a step's card, the figures of lessons, what is measured as facts, the list of lessons.

Not here: lessons' texts (assets/lessons), where a session is in them (`session.lesson`). Next door: `live`.
"""

from . import card, overview, stage

__all__ = ["card", "overview", "stage"]
