"""What other rooms may import from `types`."""

from .cost import CostReport as CostReport, Part as Part
from .errors import (
    CheckpointError as CheckpointError,
    DataError as DataError,
    InvalidPlan as InvalidPlan,
    Offline as Offline,
    PruningError as PruningError,
    StoryError as StoryError,
    UnsupportedModel as UnsupportedModel,
)
from .estimates import (
    FIRST as FIRST,
    AccuracyEstimate as AccuracyEstimate,
    Correlation as Correlation,
    Difference as Difference,
    Proportion as Proportion,
    Versus as Versus,
)
from .findings import (
    CellCut as CellCut,
    Compared as Compared,
    Disagreement as Disagreement,
    Effect as Effect,
    Piece as Piece,
    Share as Share,
    WeightRow as WeightRow,
    percentiles as percentiles,
)
from .folders import (
    ASSETS as ASSETS,
    HOME_SET as HOME_SET,
    data_folder as data_folder,
    home as home,
    is_file as is_file,
    is_folder as is_folder,
    user_home as user_home,
)
from .images import AGREEMENT as AGREEMENT, LabelledImages as LabelledImages, is_agreement as is_agreement
from .model import (
    AUX as AUX,
    KINDS as KINDS,
    MLP as MLP,
    MODULES as MODULES,
    PRJ as PRJ,
    PRUNABLE_MODULES as PRUNABLE_MODULES,
    QKV as QKV,
    Anatomy as Anatomy,
    Block as Block,
    Family as Family,
    GroupSet as GroupSet,
    Layer as Layer,
    Mixer as Mixer,
    ModelInfo as ModelInfo,
    Shape as Shape,
    Stage as Stage,
)
from .model_name import (
    UPLOAD as UPLOAD,
    ModelName as ModelName,
    timm_name as timm_name,
    untagged as untagged,
)
from .plan import (
    Budget as Budget,
    Cell as Cell,
    CriterionInfo as CriterionInfo,
    Granularity as Granularity,
    PruningPlan as PruningPlan,
    Scope as Scope,
    Selection as Selection,
    cell_name as cell_name,
    nm_sizes as nm_sizes,
)
from .scores import (
    BINS as BINS,
    BLOCK as BLOCK,
    STRIDE as STRIDE,
    LayerScores as LayerScores,
    Scores as Scores,
    rank as rank,
    rank_groups as rank_groups,
)
from .streams import drain as drain, last as last
from .text import duration as duration, in_points as in_points, listed as listed, shown as shown, size as size
from .way import (
    AtBlock as AtBlock,
    Glance as Glance,
    Spread as Spread,
    Way as Way,
    WayStep as WayStep,
    answer as answer,
    share as share,
)
from .writing import (
    TEMPORARY as TEMPORARY,
    check_place as check_place,
    is_full as is_full,
    is_of_disk as is_of_disk,
    sentence as sentence,
    temporary as temporary,
    told as told,
    whole_file as whole_file,
    whole_folder as whole_folder,
)
