"""What training did: curves over its steps, and what methods look at on the way.

`learning` draws any recovery, `indicators` and `spvit` one method each. Next door: `findings` says what they show.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
