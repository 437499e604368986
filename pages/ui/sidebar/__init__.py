"""The sidebar, drawn by app.py on every page: model, images, what to cut and how much, undo and recipe.

Not here: what a page asks for itself. Next door: `session`, whose setting the controls are filled from and replace.
"""

from .controls import draw

__all__ = ["draw"]
