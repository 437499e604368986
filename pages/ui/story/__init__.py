"""The story on pages: keeping a cut, what is found of the kept ones, the list to name and order them.

Not here: the story itself (`session.story`), and its pictures (Compare, slides).
Next door: `session.story` holds it, `live` draws its cuts as pins; Compare, slides and report tell it.
"""

from . import asking, keep, rows, telling

__all__ = ["asking", "keep", "rows", "telling"]
