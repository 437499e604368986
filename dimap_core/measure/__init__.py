"""Measure: what a model costs (params, MACs, time) and how well it answers, with intervals.

Not here: which model under which plan is measured (`pipeline`), and comparing many (`studies`).
Next door: `anatomy` and `data` below.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
