"""Service: the processes that work for the app, and all that talks to them: requests, jobs, what lies on disk between.

Not here: what is computed; and no torch in what the app loads (`client`, `jobs`, `index`, `uploads`).
Next door: `pipeline`, `studies` and `training` below; the pages above.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
