"""Figures that lessons alone draw. Next door: `way`, whose pieces of SVG they are put together from."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
