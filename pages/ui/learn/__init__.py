"""The Learn page's parts: a step's card, the figures of lessons, what is measured as facts, the list of lessons, the
sandbox where a criterion is invented.

Not here: lessons' texts (assets/lessons), where a session is in them (`session.lesson`). Next door: `live`.
"""

from . import by_hand, card, fit, overview, sandbox, stage

__all__ = ["by_hand", "card", "fit", "overview", "sandbox", "stage"]
