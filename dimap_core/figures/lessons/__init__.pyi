"""What other figures and rooms may import from `figures.lessons`."""

from .by_hand import by_hand as by_hand
from .fit import fitted as fitted
from .intervals import Interval as Interval, intervals as intervals
from .thresholds import thresholds as thresholds
