"""What several pages draw: notice, header, the four metrics, the picked image, and waiting for a model.

Not here: what one page alone draws, which has a room of that page's name. Next door: `sidebar`, the controls of all.
"""

from . import header, metrics, notice, picked, waiting

__all__ = ["header", "metrics", "notice", "picked", "waiting"]
