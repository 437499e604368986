"""Shared studies: a grid of plans on some models, each trial done once by one of many processes, on any machine.

Not here: how one plan is judged (`sweep`), and jobs of the page (`service`). One way: `asked` says what is run, `same`
whether this machine may take part, `storage` where it is kept, `ledger` who does what, `working` does it.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
