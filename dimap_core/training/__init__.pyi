"""What other rooms may import from `training`."""

from . import recipes as recipes, recovery as recovery
from .loop import processes as processes
from .methods import (
    AWARE as AWARE,
    BUDGETS as BUDGETS,
    METHODS as METHODS,
    PAID as PAID,
    Interval as Interval,
    Measurement as Measurement,
    Method as Method,
    Option as Option,
    apma as apma,
    comparison as comparison,
    method as method,
    nvit as nvit,
)
from .methods.latency_measure import drawn as drawn, undisturbed as undisturbed
from .methods.latency_table import LatencyCost as LatencyCost, latency_cost as latency_cost
from .methods.revit import revit_shape as revit_shape
from .methods.units import Units as Units
from .settings import Settings as Settings, preset_settings as preset_settings
