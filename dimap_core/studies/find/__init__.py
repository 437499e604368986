"""Find: the best cut for a budget among fixed rules and cuts by reconstruction, chosen on images that judge nothing.

Not here: the criteria and the refit (`criteria`, `cut`), one plan's way through the pipeline (`pipeline`).
Next door: `allocation` makes ratios of measured curves, `sweep` judges many plans.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
