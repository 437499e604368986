"""What other figures and rooms may import from `figures.model_map`."""

from .blocks import Fill as Fill, cost_fill as cost_fill, finding as finding, place_name as place_name
from .drawing import model_picture as model_picture
from .fills import (
    common_depth as common_depth,
    importance_fill as importance_fill,
    sensitivity_fill as sensitivity_fill,
)
from .geometry import colors as colors, geometry as geometry, labels as labels
from .large import large_picture as large_picture
from .layout import MEDIUM as MEDIUM, NARROW as NARROW, WIDE as WIDE
