"""What training did: curves over its steps, what methods look at on the way, and their findings in sentences.

`learning` draws any recovery, `indicators` and `spvit` one method each, `learnt` says what they show.
Next door: `findings`, the sentences of all other figures.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
