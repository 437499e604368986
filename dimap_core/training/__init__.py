"""Training: one loop, its losses, recovery of what was cut, and the recipes of the bundled models.

Not here: cutting, and judging. `methods` holds whole papers, from the dense model to the trained smaller one.
Next door: `pipeline` below; `service` and `cli` start what is here.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
