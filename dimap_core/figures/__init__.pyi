"""What other rooms may import from `figures`."""

from . import agreement as agreement, findings as findings, importance as importance
from .comparison import Entry as Entry, comparison as comparison
from .distribution import plain_against_plan as plain_against_plan, ridgeline as ridgeline
from .front import TriedCut as TriedCut, paired_bar as paired_bar, search_front as search_front
from .heat import stage_heatmap as stage_heatmap
from .kept import kept_bars as kept_bars
from .lessons import (
    Interval as Interval,
    by_hand as by_hand,
    fitted as fitted,
    intervals as intervals,
    thresholds as thresholds,
)
from .look import (
    COLUMN_LABELS as COLUMN_LABELS,
    EDGES as EDGES,
    FILLS as FILLS,
    INK as INK,
    Look as Look,
    Themed as Themed,
    css_variables as css_variables,
)
from .model_map import (
    NARROW as NARROW,
    WIDE as WIDE,
    Fill as Fill,
    colors as colors,
    common_depth as common_depth,
    cost_fill as cost_fill,
    finding as finding,
    geometry as geometry,
    importance_fill as importance_fill,
    labels as labels,
    large_picture as large_picture,
    model_picture as model_picture,
    place_name as place_name,
    sensitivity_fill as sensitivity_fill,
)
from .predictions import (
    confusion_chart as confusion_chart,
    drop_chart as drop_chart,
    explanation_chart as explanation_chart,
)
from .redistribution import redistribution as redistribution
from .sensitivity import stage_curves as stage_curves
from .slides import path_picture as path_picture
from .story import (
    Half as Half,
    PairedRow as PairedRow,
    count_card as count_card,
    difference_picture as difference_picture,
    image_card as image_card,
    mirrored_picture as mirrored_picture,
)
from .sweep import (
    SweptBy as SweptBy,
    SweptCurve as SweptCurve,
    SweptPoint as SweptPoint,
    sweep_curves as sweep_curves,
    sweep_front as sweep_front,
)
from .told import told_tradeoff as told_tradeoff
from .tradeoff import (
    Curve as Curve,
    Point as Point,
    Tradeoff as Tradeoff,
    difference as difference,
    pareto_front as pareto_front,
    tradeoff as tradeoff,
    view_range as view_range,
)
from .trained import (
    channel_similarity as channel_similarity,
    indicators_through_training as indicators_through_training,
    learning_curve as learning_curve,
    spvit as spvit,
)
from .way import (
    LEVELS as LEVELS,
    Picture as Picture,
    answer_picture as answer_picture,
    handing_chart as handing_chart,
    parting_chart as parting_chart,
    ramp as ramp,
    stage_picture as stage_picture,
    survival_picture as survival_picture,
)
