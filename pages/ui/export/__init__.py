"""The Export page's parts: files that a worker makes first, report and story, tried points as a table.

Not here: the recipe (a `session.Setting` has it). Next door: `parts`.
"""

from . import downloads, report, stories, tried_points

__all__ = ["downloads", "report", "stories", "tried_points"]
