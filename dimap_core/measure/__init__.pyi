"""What other rooms may import from `measure`."""

from . import predictions as predictions
from .accuracy import (
    BATCH_SIZE as BATCH_SIZE,
    Masked as Masked,
    Runner as Runner,
    answers as answers,
    estimate as estimate,
    evaluate as evaluate,
    hired as hired,
    in_precision as in_precision,
    masked as masked,
    predict as predict,
    predict_all as predict_all,
    predict_to_end as predict_to_end,
)
from .cost import (
    add as add,
    cost_report as cost_report,
    kept_by_band as kept_by_band,
    place_cost as place_cost,
)
from .device import device as device
from .divergence import divergence as divergence, log_answers as log_answers
from .intervals import (
    mean_difference as mean_difference,
    paired_difference as paired_difference,
    rank_correlation as rank_correlation,
    wilson as wilson,
)
from .latency import (
    LatencyRow as LatencyRow,
    Solved as Solved,
    measure_latency as measure_latency,
    measured_saving as measured_saving,
    seconds as seconds,
    solve_latency as solve_latency,
)
from .order import answered as answered, better_order as better_order
from .predictions import Outcomes as Outcomes, Predictions as Predictions, concatenate as concatenate
from .prefix import (
    LIMIT as LIMIT,
    PrefixCache as PrefixCache,
    PrefixRunner as PrefixRunner,
    states_before as states_before,
)
