"""What other rooms may import from `models.files`."""

from .folder import (
    CONFIG as CONFIG,
    CONFIGS as CONFIGS,
    among as among,
    is_foreign as is_foreign,
    weight_files as weight_files,
)
from .layouts import hints as hints, label as label, left_out as left_out, renamed as renamed, settings as settings
from .listing import Listing as Listing, refused as refused
from .opening import look_into as look_into
from .zips import is_own_zip as is_own_zip, unpacked as unpacked
