"""What one session looks at: setting and link, place in the lessons, models, images and jobs, what it asked; caches.

Not here: drawing, save what must be said where a session cannot go on. Next door: `parts` draws what pages share.
"""

from . import (
    cache,
    classroom,
    followed,
    jobs,
    lesson,
    links,
    opened,
    opening,
    own_models,
    polling,
    requests,
    state,
    story,
)
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
    "lesson",
    "links",
    "opened",
    "opening",
    "own_models",
    "polling",
    "requests",
    "state",
    "story",
]
