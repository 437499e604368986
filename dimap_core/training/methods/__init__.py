"""Methods: whole papers, from the dense model to the trained smaller one, built from the parts next door.

A folder a method; what several of them share lies beside the folders.
Next door: `recovery` trains what a method found.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
