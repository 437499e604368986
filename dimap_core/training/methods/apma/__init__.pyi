"""What other rooms may import from `apma`."""

from .method import search as search
from .settings import (
    ABLATIONS as ABLATIONS,
    NAME as NAME,
    OPTIONS as OPTIONS,
    PAPER as PAPER,
    PARTS as PARTS,
    RECONSTRUCTIONS as RECONSTRUCTIONS,
    SIMILARITY as SIMILARITY,
    WITHOUT as WITHOUT,
    Search as Search,
    ablations as ablations,
    suited_search as suited_search,
)
