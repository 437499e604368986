"""What other rooms may import from `find`."""

from . import bench as bench
from .finding import BUDGETS as BUDGETS, find as find
from .wanted import Wanted as Wanted
