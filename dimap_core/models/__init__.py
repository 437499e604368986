"""Models: a name, a file, a folder or the hub becomes a model and what is known about it; and models are written.

Not here: taking models apart (`anatomy`) and smaller (`cut`). Files are read without executing anything.
Next door: `cut` and `data` below; `pipeline` opens models.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
