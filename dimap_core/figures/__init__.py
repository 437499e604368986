"""Figures: plotly pictures from plain data. One file for each figure family; nothing is computed here but places.

Not here: numbers. They come as `types` from `studies` and `measure`.
Next door: `types` below; the pages show what is drawn here.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
