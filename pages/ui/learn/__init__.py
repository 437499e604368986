"""The Learn page's parts: a criterion of one's own, DIMAP by hand, a layer refitted by hand.

Not here: lessons' texts (assets/lessons). Next door: `live`.
"""

from . import sandbox

__all__ = ["sandbox"]
