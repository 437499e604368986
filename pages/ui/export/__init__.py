"""The Export page's parts: files that a worker makes first, the report, the story, the table of tried
points.

Not here: the recipe (a `session.Setting` has it). Next door: `parts`.
"""

from . import downloads, report, stories, tried_points

__all__ = ["downloads", "report", "stories", "tried_points"]
