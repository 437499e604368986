"""What several pages draw: notice, header, the numbers, the live map and the small one, the picked
image, a job's state, and waiting.

Not here: what one page alone draws, which has a room of that page's name. Next door: `recipe_line`, every page's.
"""

from . import absent, doubt, header, job_state, live_map, metrics, notice, part_map, picked, waiting

__all__ = ["absent", "doubt", "header", "job_state", "live_map", "metrics", "notice", "part_map", "picked", "waiting"]
