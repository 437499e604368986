"""The report: a story's cuts with all that was found of them, as one file that outlives the program.

`gathering` finds, `contents` holds, `words` and `tables` say, `drawing` draws, `page` and `paper` write.
Not here: measuring (`story.tell` asks `pipeline`) and options of the command line. Next door: `story`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
