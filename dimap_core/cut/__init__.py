"""Cut: a selection becomes a pruned model, always on a copy: zeros, slicing, repair, other token mixers.

Not here: what goes (`plan`). `keep` has the masks of what stays, without torch.
Next door: `anatomy` below; `pipeline` calls what is here.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
