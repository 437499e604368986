"""The Compare page's parts: the choice of two cuts, what is found of both, their panel, differences, images and times;
below them what was measured beforehand.

Not here: asking the worker (`story`). Next door: `story`, `live`.
"""

from . import choosing, differences, images, panel, standing, stored, timed

__all__ = ["choosing", "differences", "images", "panel", "standing", "stored", "timed"]
