"""Reconstruction: two criteria by what refit leaves of a layer's output error, and the passes that they read.

    units    the error of each layer, units of structure one after the other (`elimination`)
    fisher   the same in nats of what the model answers (`fisher_pass`, `qk_scale`), and single weights (`refit_curves`)

Not here: the refit itself (`cut`). Next door: `obs`, which scores every unit as if it went alone; `moments`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
