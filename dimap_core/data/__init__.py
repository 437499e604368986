"""Data: images by set name, folder or file; what of them is judged, and batches ready for a model.

Not here: models, and what is measured on the images.
Next door: `types` below; `pipeline` chooses the images of a model that is open.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
