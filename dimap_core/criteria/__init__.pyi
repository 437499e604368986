"""What other rooms may import from `criteria`."""

from .arrays import prunable_weights as prunable_weights
from .elimination import Elimination as Elimination
from .fisher import felt_eliminations as felt_eliminations
from .fisher_pass import OutputFisher as OutputFisher, feel as feel
from .gates import Attributions as Attributions, attribute as attribute
from .moments import InputMoments as InputMoments, observe as observe
from .nvit import DIVISORS as DIVISORS
from .registry import CRITERIA as CRITERIA, criterion as criterion, images_read as images_read
from .statistics import Statistics as Statistics, collect as collect
