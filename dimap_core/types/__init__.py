"""Types: the frozen data that rooms pass to each other, and the ground all stand on (errors, files, folders).

Not here: torch, models, anything that computes a result. Nothing of the project is imported here.
Next door: every other room; `data` and `anatomy` come first.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
