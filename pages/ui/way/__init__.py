"""The Way page's parts: which image and token are followed, what is said of them, and the pictures.

Not here: the pictures' drawing, which is `dimap_core.figures`'. Next door: `parts`.
"""

from . import asking, choosing, pictures, words

__all__ = ["asking", "choosing", "pictures", "words"]
