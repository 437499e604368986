"""What one session looks at: setting and link, models, images and jobs, what it asked of workers; caches.

Not here: drawing, save what must be said where a session cannot go on. Next door: `parts` draws what pages share.
"""

from . import cache, classroom, followed, jobs, links, opened, opening, own_models, polling, requests, state
from .opened import View
from .setting import Setting, Tried
from .sight import Sight

__all__ = [
    "Setting",
    "Sight",
    "Tried",
    "View",
    "cache",
    "classroom",
    "followed",
    "jobs",
    "links",
    "opened",
    "opening",
    "own_models",
    "polling",
    "requests",
    "state",
]
