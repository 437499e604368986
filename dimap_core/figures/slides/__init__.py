"""Figures of slides, as SVG: large letters, one thing to see, nothing to hover. They print as they are.

Not here: words of slides and their order (pages/ui/present). Next door: `tradeoff` is the same figure for a page.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
