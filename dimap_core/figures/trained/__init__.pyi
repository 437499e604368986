"""What other figures and rooms may import from `figures.trained`."""

from . import spvit as spvit
from .indicators import (
    channel_similarity as channel_similarity,
    indicators_through_training as indicators_through_training,
)
from .learning import learning_curve as learning_curve
