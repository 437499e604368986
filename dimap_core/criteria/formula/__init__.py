"""Formula: a criterion of the user's own, typed as a line of arithmetic over |w| and what is known of its layer.

`grammar` reads a line into steps, or says in one sentence what is wrong with it and where; `words` are what a line may
hold; `scoring` works the steps out and makes a row of the registry of them. Nothing typed is ever run as a program.
Next door: `registry` knows a formula by its key, "formula:w / layer_mean".
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
