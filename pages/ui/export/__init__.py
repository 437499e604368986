"""The Export page's parts: files that a worker makes first, and the table of tried points.

Not here: the recipe (a `session.Setting` has it). Next door: `parts`.
"""

from . import downloads, tried_points

__all__ = ["downloads", "tried_points"]
