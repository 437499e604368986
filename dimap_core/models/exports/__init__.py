"""Exports: a model goes back to the layout it came in, and `load_pruned` loads this project's own format where the
project is not.

Not here: ONNX (`models.to_onnx`), and writing the own format (`models.saving`).
Next door: `models.files` knows the layouts, `models.load` opens what a model was made from.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
