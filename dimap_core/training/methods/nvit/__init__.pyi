"""What other rooms may import from `nvit`."""

from .method import search as search
from .settings import (
    OPTIONS as OPTIONS,
    SIMPLIFICATIONS as SIMPLIFICATIONS,
    SWIN_FIXED as SWIN_FIXED,
    Search as Search,
    suited_search as suited_search,
)
