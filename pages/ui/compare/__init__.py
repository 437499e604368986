"""The Compare page's parts: single results as text and table, and the session's own jobs among them.

Not here: what was measured beforehand (`session.cache`). Next door: `parts`.
"""

from . import results

__all__ = ["results"]
