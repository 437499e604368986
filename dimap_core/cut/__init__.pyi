"""What other rooms may import from `cut`."""

from .attention import SplitAttention as SplitAttention
from .convolution import (
    ConvMixer as ConvMixer,
    Place as Place,
    Shared as Shared,
    check_attends as check_attends,
    convolved as convolved,
    fold as fold,
    over_map as over_map,
    place_mixers as place_mixers,
    place_of as place_of,
)
from .derivation import derived as derived
from .embed import (
    embed_axes as embed_axes,
    embed_masks as embed_masks,
    resize_embed as resize_embed,
    scored_axes as scored_axes,
    slice_embed as slice_embed,
)
from .keep import keep_mask as keep_mask, kept_zeros as kept_zeros, weight_mask as weight_mask
from .least_squares import LogitMoments as LogitMoments, Moments as Moments
from .linear_attention import linearise as linearise
from .masks import block_keeps as block_keeps, masked_weights as masked_weights, with_weights as with_weights
from .refit import Seen as Seen
from .refitting import (
    refit_at_once as refit_at_once,
    refit_zeros as refit_zeros,
)
from .repair import repair as repair
from .slicing import (
    BlockSizes as BlockSizes,
    block_sizes as block_sizes,
    check_sliceable as check_sliceable,
    is_block as is_block,
    kept_sizes as kept_sizes,
    resize as resize,
    shape_facts as shape_facts,
    slice_blocks as slice_blocks,
    slice_model as slice_model,
    split as split,
)
from .whole_map import see_whole_map as see_whole_map
