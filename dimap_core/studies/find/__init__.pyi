"""What other rooms may import from `find`."""

from .bench import Bench as Bench, Trial as Trial, bench as bench
from .finding import BUDGETS as BUDGETS, find as find
from .wanted import Wanted as Wanted
