"""Pipeline: model -> anatomy -> scores -> plan -> selection -> cut -> cost + accuracy. Only this room knows the order.

Not here: many plans set side by side (`studies`), training (`training`).
Next door: all of the parts below; `service` and `cli` call what is here.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
