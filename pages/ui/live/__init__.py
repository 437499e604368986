"""The model under the hand: the map with its sliders, the answer to a move as it streams in, the trade-off, latency.

Not here: cost of a cut (`session.View` has it), what the map is drawn from (`parts`). Next door: `parts`.
"""

from . import accuracy, answer, feed, latency, model_map, moves, points, streaming, tradeoff

__all__ = ["accuracy", "answer", "feed", "latency", "model_map", "moves", "points", "streaming", "tradeoff"]
