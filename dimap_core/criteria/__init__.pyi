"""What other rooms may import from `criteria`."""

from .arrays import prunable_weights as prunable_weights
from .formula import FUNCTIONS as FUNCTIONS, PREFIX as PREFIX, WORDS as WORDS
from .gates import Attributions as Attributions, attribute as attribute
from .nvit import DIVISORS as DIVISORS
from .reconstruction import (
    InputMoments as InputMoments,
    OutputFisher as OutputFisher,
    feel as feel,
    measured_images as measured_images,
    observe as observe,
)
from .registry import (
    CRITERIA as CRITERIA,
    criterion as criterion,
    images_read as images_read,
    offered as offered,
    stem as stem,
)
from .statistics import Statistics as Statistics, collect as collect
