"""The Importance page's parts: where importance lies, criteria compared and tried on the measured truth, sensitivity.

Not here: the scores themselves (`session.View` has them). Next door: `parts`.
"""

from . import blocks, criteria, sensitivity

__all__ = ["blocks", "criteria", "sensitivity"]
