"""What names and shapes of weights tell: which Swin, DeiT or ViT they are, how large, and what only people can say.

Not here: reading files (`models.files`) and building what was found (`models.load`).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
