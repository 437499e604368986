"""One image's way through two models: SVG pictures of what happens inside, and curves over the blocks.

`stages` draws windows, attention and energy, `answers` what comes out and where the two part, `svg` has the pieces.
Next door: `look`, whose inks they use.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
