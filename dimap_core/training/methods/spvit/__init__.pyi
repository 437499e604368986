"""What other rooms may import from `spvit`."""

from .method import search as search
from .settings import (
    OPTIONS as OPTIONS,
    SIMPLIFICATIONS as SIMPLIFICATIONS,
    Search as Search,
    suited_search as suited_search,
)
