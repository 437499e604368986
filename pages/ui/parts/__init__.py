"""What several pages draw: notice, header, the four metrics, the small map and what maps are filled by, the picked
image, a job's state, and waiting.

Not here: what one page alone draws, which has a room of that page's name. Next door: `recipe_line`, every page's.
"""

from . import fills, header, job_state, metrics, notice, part_map, picked, waiting

__all__ = ["fills", "header", "job_state", "metrics", "notice", "part_map", "picked", "waiting"]
