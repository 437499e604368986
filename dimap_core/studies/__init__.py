"""Studies: what compares: sweeps, sensitivity, leave-one-out, agreement, allocation, attribution, published figures;
and what is taught: lessons and their exercises.

Not here: pictures (`figures` draws from plain data), and judging one plan (`pipeline`).
Next door: `pipeline` below; `service` and `cli` ask for studies.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
