"""The story on pages: keeping a cut, what is found of the kept ones, the list to name and order them.

Next door: `session.story` holds it, `live` draws its cuts as pins; Compare, slides and report tell it.
"""

from . import asking, keep, pictures, telling

__all__ = ["asking", "keep", "pictures", "telling"]
