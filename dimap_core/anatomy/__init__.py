"""Anatomy: what a Swin or DeiT is made of (stages, blocks, layers, groups, segments), and running one without a trace.

Not here: what a part is worth (`criteria`), and taking parts away (`cut`).
Next door: `types` below, which hold what is found here.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
