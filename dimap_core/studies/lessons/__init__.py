"""Lessons: texts, steps and what ends a step, read from files. A lesson is data: one file in assets/lessons.

Not here: what a session did in a lesson, and the pictures (pages/ui/learn). Next door: `types`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
