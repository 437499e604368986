"""CLI: `python -m dimap_core COMMAND ...`, a file a group of commands.

Not here: anything but reading options and printing results.
Next door: `pipeline`, `studies` and `training` below.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
