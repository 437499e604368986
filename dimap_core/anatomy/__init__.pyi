"""What other rooms may import from `anatomy`."""

from .activations import LayerInputs as LayerInputs, Watch as Watch
from .attending import attention_weights as attention_weights
from .build import build_anatomy as build_anatomy
from .groups import (
    BlockCut as BlockCut,
    after_cut as after_cut,
    block_cut as block_cut,
    group_sets as group_sets,
    group_sums as group_sums,
    has_groups as has_groups,
    hidden_cut as hidden_cut,
    kept_counts as kept_counts,
    nvit_sums as nvit_sums,
    parameter_masks as parameter_masks,
)
from .mixers import GUARD as GUARD, PLACED as PLACED, SIDES as SIDES, kept_kernels as kept_kernels
from .passage import Passed as Passed, passage as passage
from .running import evaluating as evaluating, leaf as leaf, plain_tensor as plain_tensor, tensors as tensors
from .segments import Segment as Segment, embed as embed, head as head, segments as segments
