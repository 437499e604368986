"""Stories: cuts that someone named, in an order that tells something; their file, their link, what is found of them.

Not here: drawing (`figures`), and what one session keeps (pages/ui/session). Next door: `find` finds cuts.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
