"""The Predictions page's parts: both models' answers, the gallery of images, one answer explained.

Not here: losses by class, which the page draws itself. Next door: `parts`.
"""

from . import explanation, gallery, outcomes

__all__ = ["explanation", "gallery", "outcomes"]
