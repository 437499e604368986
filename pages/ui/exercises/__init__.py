"""What lessons have a learner do: figures with the controls they need, what was done and measured as facts, and what
of it ends a step.

Not here: the step's card and the list of lessons (`learn`), the map and its answer (`live`). Next door: `recipe_line`.
"""

from . import by_hand, cues, cuts, facts, fit, game, progress, samples, thresholds, timing, truth, versus, words

__all__ = [
    "by_hand",
    "cues",
    "cuts",
    "facts",
    "fit",
    "game",
    "progress",
    "samples",
    "thresholds",
    "timing",
    "truth",
    "versus",
    "words",
]
