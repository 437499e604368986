"""What other rooms may import from `models.files`."""

from .folder import (
    CONFIG as CONFIG,
    CONFIGS as CONFIGS,
    among as among,
    is_foreign as is_foreign,
    model_type as model_type,
    weight_files as weight_files,
)
from .layouts import hints as hints, label as label, left_out as left_out, renamed as renamed, settings as settings
from .listing import MOST_TEXT as MOST_TEXT, Listing as Listing, refused as refused
from .nets import one_net as one_net
from .npz_file import is_npz as is_npz
from .opening import as_it_is as as_it_is, is_safetensors as is_safetensors, look_into as look_into
from .packing import packed as packed, sources_of as sources_of
from .state import candidates as candidates, state_at as state_at
from .torch_file import torch_content as torch_content
from .zips import is_own_zip as is_own_zip, unpacked as unpacked
