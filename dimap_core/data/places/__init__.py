"""Places: where image files lie, and which class each is of: folders, zips, tars, arrays, parquet, tables of labels.

`trees` says what a place is; `source` finds out what a path is and opens it. Nothing is unpacked by name, no link is
followed out of its place, all sizes are bounded. Not here: what is inside an image file (`image_file`).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
