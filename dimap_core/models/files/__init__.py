"""Files that people bring: what they hold and what their names mean, looked at before anything is loaded or executed.

Not here: which architecture their shapes are (`models.shapes`), building it (`models.load`), and this project's own
format (`models.checkpoints`).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
