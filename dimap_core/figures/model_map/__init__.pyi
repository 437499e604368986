"""What other figures and rooms may import from `figures.model_map`."""

from .blocks import cost_fill as cost_fill, finding as finding
from .drawing import model_picture as model_picture
from .layout import MEDIUM as MEDIUM, NARROW as NARROW, WIDE as WIDE
