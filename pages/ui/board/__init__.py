"""The class board's parts: the head with its controls, guesses as a histogram, scores with their intervals.

Not here: what a class has kept (`dimap_core.service`). Next door: `teachers`, whose page opens a class.
"""

from . import board

__all__ = ["board"]
