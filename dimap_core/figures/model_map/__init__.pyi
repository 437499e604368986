"""What other figures and rooms may import from `figures.model_map`."""

from .blocks import Fill as Fill, cost_fill as cost_fill, finding as finding
from .drawing import model_picture as model_picture
from .geometry import colors as colors, geometry as geometry, labels as labels
from .layout import MEDIUM as MEDIUM, NARROW as NARROW, WIDE as WIDE
