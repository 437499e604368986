"""The Learn page's parts: a criterion of one's own, DIMAP by hand, a unit refitted by hand.

Not here: lessons' texts (assets/lessons). Next door: `live`.
"""

from . import by_hand, fit, sandbox

__all__ = ["by_hand", "fit", "sandbox"]
