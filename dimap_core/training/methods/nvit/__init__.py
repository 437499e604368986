"""NViT: gradual, cost-aware structured pruning between training steps.

`method` is the whole of it, `settings` what can be asked for (no torch).
Next door: `units`, `costs` and `latency_table`, which count and time what is live.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
