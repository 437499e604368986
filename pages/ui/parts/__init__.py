"""What several pages draw: notice, header, the four metrics, the picked image, a job's state, and waiting.

Not here: what one page alone draws, which has a room of that page's name. Next door: `recipe_line`, every page's.
"""

from . import header, job_state, metrics, notice, picked, waiting

__all__ = ["header", "job_state", "metrics", "notice", "picked", "waiting"]
