"""APMA-style: learned channel pruning of multi-head attention.

`method` is the whole of it, `settings` what can be asked for (no torch).
Next door: `phases`, which the searches share.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
