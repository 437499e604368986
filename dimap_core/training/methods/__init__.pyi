"""What other rooms may import from `methods`."""

from . import apma as apma, comparison as comparison, nvit as nvit, spvit as spvit
from .comparison import BUDGETS as BUDGETS, Interval as Interval, Measurement as Measurement
from .options import AWARE as AWARE, PAID as PAID, Option as Option
from .registry import METHODS as METHODS, Method as Method, method as method
