"""The model hub: what is fetched from it, with progress, and where its client's cache keeps that.

Not here: building models of it (`models.named_models`, `models.load`).
Next door: `data.download` fetches one file, `models.files` reads what came.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
