"""The Prune page's parts: accuracy of the current cut, the live answer, moves of the map, latency on this device.

Not here: cost of a cut (`session.View` has it). Next door: `parts`.
"""

from . import accuracy, answer, latency, model_map, moves, points, tradeoff

__all__ = ["accuracy", "answer", "latency", "model_map", "moves", "points", "tradeoff"]
