"""The recipe line, drawn by app.py on every page: the setting as one sentence whose choices are chips and way back.

Not here: what a page asks for itself. Next door: `session`, whose setting the controls are filled from and replace.
"""

from . import line

__all__ = ["line"]
