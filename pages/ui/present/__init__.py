"""Slides: the story as statements with one figure each, moved by keys, live, printable.

Not here: the story (`session.story`) and what is found of it (`story.telling`). Next door: Compare orders its cuts.
"""

from . import deck, slides, star

__all__ = ["deck", "slides", "star"]
