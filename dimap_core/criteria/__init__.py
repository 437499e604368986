"""Criteria: what one unit is worth. One file a criterion, and the evidence from images that some of them read.

Not here: which units go (`plan`). `registry` lists the criteria; adding one is a file and a row there.
Next door: `anatomy` and `data` below; `plan` makes selections of scores.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
