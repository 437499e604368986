"""The map: a model drawn as what it is, stage by stage, block by block, with the share that a cut keeps.

`blocks` reads from an anatomy what gives blocks their form, `fills` makes numbers to fill them by, `layout` places
them, `drawing` makes an SVG of the places.
Next door: `way`, whose pieces of SVG it uses.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
