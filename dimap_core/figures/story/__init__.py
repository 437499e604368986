"""Figures of stories: two cuts side by side, their differences, images that one of them gets right. SVG, no scripts.

They go unchanged to pages, slides, report and print. Next door: `way`, whose pieces of SVG they use.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
