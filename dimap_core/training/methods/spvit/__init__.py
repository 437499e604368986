"""SPViT: gates are learned, attentions become convolutions, a smaller model is derived and trained.

`method` is the whole of it, `settings` what can be asked for (no torch).
Next door: `cut.convolution` makes the convolutions.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
