"""What other rooms may import from `models.files`."""

from .layouts import (
    Architecture as Architecture,
    architecture as architecture,
    checked as checked,
    exact as exact,
    hints as hints,
    renamed as renamed,
    signature as signature,
)
from .listing import Listing as Listing, refused as refused
from .opening import look_into as look_into
from .zips import is_own_zip as is_own_zip, unpacked as unpacked
