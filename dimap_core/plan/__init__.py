"""Plan: the recipe in and out, whether it can be met, and which units it selects, given scores. Numpy, no torch.

Not here: scores (`criteria`) and cutting (`cut`): a selection can be drawn before anything is cut.
Next door: `criteria` below; `pipeline` puts both together.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
