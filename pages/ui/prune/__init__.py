"""The Prune page's parts: accuracy of the current cut, the trade-off figure, the model's map, latency on this device.

Not here: cost of a cut (`session.View` has it). Next door: `parts`.
"""

from . import accuracy, latency, model_map, points, tradeoff

__all__ = ["accuracy", "latency", "model_map", "points", "tradeoff"]
