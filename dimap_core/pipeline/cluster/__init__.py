"""A Ray cluster that judges: what DIMAP_RAY names, and the crew of actors there. Without it nothing of Ray is loaded.

Not here: sessions and their requests (`service.cluster`). One way: `connect` finds or starts the cluster, `judge` is
what runs in an actor, `crew` hands out images and puts the answers together.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
