"""What other figures and rooms may import from `figures.way`."""

from .answers import (
    answer_picture as answer_picture,
    handing_chart as handing_chart,
    parting_chart as parting_chart,
    survival_picture as survival_picture,
)
from .stages import stage_picture as stage_picture
from .svg import (
    LEVELS as LEVELS,
    Picture as Picture,
    box as box,
    picture as picture,
    ramp as ramp,
    text as text,
)
