"""Findings: the sentences over figures, computed from what they show, with no claim that chance could have made.

Not here: pictures. Next door: one file for each figure above.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
