"""What other rooms may import from `criteria`."""

from .arrays import prunable_weights as prunable_weights
from .gates import Attributions as Attributions, attribute as attribute
from .nvit import DIVISORS as DIVISORS
from .reconstruction import (
    InputMoments as InputMoments,
    OutputFisher as OutputFisher,
    feel as feel,
    measured_images as measured_images,
    observe as observe,
)
from .registry import CRITERIA as CRITERIA, criterion as criterion, images_read as images_read
from .statistics import Statistics as Statistics, collect as collect
