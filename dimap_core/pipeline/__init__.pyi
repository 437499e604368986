"""What other rooms may import from `pipeline`."""

from . import cluster as cluster, precision as precision, results as results, timing as timing
from .chain import (
    apply_plan as apply_plan,
    cut_weights as cut_weights,
    dense_cost as dense_cost,
    is_repaired as is_repaired,
    meet_latency as meet_latency,
    origin as origin,
    prepare as prepare,
    prepare_preview as prepare_preview,
    prepare_scores as prepare_scores,
    preview_weights as preview_weights,
    prune as prune,
    pruned_with_card as pruned_with_card,
    save_pruned as save_pruned,
    score as score,
    scores_key as scores_key,
    weight_arrays as weight_arrays,
)
from .doubts import doubt as doubt
from .evaluation import (
    judge as judge,
    judge_fully as judge_fully,
    judge_images as judge_images,
    knows_dense as knows_dense,
    missing_dense as missing_dense,
    runner as runner,
    small_runner as small_runner,
)
from .images import (
    default_data as default_data,
    judged_by as judged_by,
    judged_by_name as judged_by_name,
    training_data as training_data,
)
from .opened import Opened as Opened, Progress as Progress, check_trained as check_trained, open_model as open_model
from .results import accuracy as accuracy, counts as counts, kept_count as kept_count, removed_share as removed_share
from .streaming import extend_dense as extend_dense, stream as stream
from .timing import batches as batches, slow as slow
