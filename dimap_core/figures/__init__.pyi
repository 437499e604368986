"""What other rooms may import from `figures`."""

from . import agreement as agreement, findings as findings, importance as importance, spvit as spvit
from .comparison import Entry as Entry, comparison as comparison
from .distribution import plain_against_plan as plain_against_plan, ridgeline as ridgeline
from .front import TriedCut as TriedCut, paired_bar as paired_bar, search_front as search_front
from .heat import stage_heatmap as stage_heatmap
from .indicators import (
    channel_similarity as channel_similarity,
    indicators_through_training as indicators_through_training,
)
from .kept import kept_bars as kept_bars
from .learning import learning_curve as learning_curve
from .look import COLUMN_LABELS as COLUMN_LABELS, EDGES as EDGES, FILLS as FILLS, INK as INK, Look as Look
from .model_map import (
    MEDIUM as MEDIUM,
    NARROW as NARROW,
    WIDE as WIDE,
    cost_fill as cost_fill,
    finding as finding,
    model_picture as model_picture,
)
from .predictions import (
    confusion_chart as confusion_chart,
    drop_chart as drop_chart,
    explanation_chart as explanation_chart,
)
from .redistribution import redistribution as redistribution
from .sensitivity import stage_curves as stage_curves
from .tradeoff import Curve as Curve, Point as Point, Tradeoff as Tradeoff, tradeoff as tradeoff
from .way import (
    Picture as Picture,
    answer_picture as answer_picture,
    handing_chart as handing_chart,
    image_picture as image_picture,
    parting_chart as parting_chart,
    stage_picture as stage_picture,
    survival_picture as survival_picture,
)
