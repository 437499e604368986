"""What other rooms may import from `models.files`."""

from .back import write_like as write_like
from .folder import (
    CONFIG as CONFIG,
    CONFIGS as CONFIGS,
    among as among,
    is_foreign as is_foreign,
    weight_files as weight_files,
)
from .layouts import hints as hints, label as label, left_out as left_out, renamed as renamed, settings as settings
from .listing import Listing as Listing, refused as refused
from .nets import one_net as one_net
from .npz_file import is_npz as is_npz
from .opening import as_it_is as as_it_is, look_into as look_into
from .packing import packed as packed, sources_of as sources_of
from .zips import is_own_zip as is_own_zip, unpacked as unpacked
