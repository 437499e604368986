"""What other rooms may import from `studies`."""

from . import (
    agreement as agreement,
    allocation as allocation,
    dimap_table3 as dimap_table3,
    exercises as exercises,
    explanations as explanations,
    find as find,
    published_counts as published_counts,
    report as report,
    shared as shared,
    story as story,
    summaries as summaries,
    sweep as sweep,
)
from .agreement import foretold as foretold, with_truth as with_truth
from .allocation import (
    Allocation as Allocation,
    allocate as allocate,
    plain_plan as plain_plan,
    real_share as real_share,
)
from .attribution import explain as explain
from .effort import (
    IMAGES as IMAGES,
    RATIOS as RATIOS,
    cell_passes as cell_passes,
    cells as cells,
    dense_plan as dense_plan,
    piece_passes as piece_passes,
    pieces as pieces,
)
from .explanations import MethodInfo as MethodInfo, in_words as in_words
from .leave_one_out import leave_one_out as leave_one_out
from .lessons import (
    LANGUAGES as LANGUAGES,
    Facts as Facts,
    Guess as Guess,
    Lesson as Lesson,
    PlanRow as PlanRow,
    Step as Step,
    all_lessons as all_lessons,
    answered as answered,
    asking as asking,
    class_plan as class_plan,
    class_words as class_words,
    holds as holds,
    lacks_earlier as lacks_earlier,
    lesson_words as lesson_words,
    met as met,
    right_answer as right_answer,
    said as said,
)
from .sensitivity import sensitivity as sensitivity
from .steps import (
    Steps as Steps,
    common_steps as common_steps,
    stage_counts as stage_counts,
    stage_shares as stage_shares,
    stage_steps as stage_steps,
)
from .summaries import columns as columns
from .sweep import Measured as Measured, compare as compare, versus as versus
from .way import follow as follow, glance as glance, look_for as look_for, spread as spread
