"""What other rooms may import from `nvit`."""

from .method import search as search
from .settings import (
    AWARE as AWARE,
    PAID as PAID,
    SIMPLIFICATIONS as SIMPLIFICATIONS,
    SWIN_FIXED as SWIN_FIXED,
    search_from as search_from,
    suited_search as suited_search,
)
