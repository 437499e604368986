"""What other rooms may import from `exercises`."""

from .by_hand import Line as Line, largest as largest, verdict as verdict
from .fit import Fit as Fit, of_json as of_json, read as read
from .samples import drawn as drawn
