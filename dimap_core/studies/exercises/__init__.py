"""Exercises: what a learner works out by hand, and the right answers: Eq. 10 of eight weights, a unit refitted.

Numbers of real layers, no torch. Not here: pictures (`figures.lessons`) and how an exercise is told (assets/lessons).
Next door: `criteria.dimap`, whose score is worked out; `cut.least_squares`, which refits whole models.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
