"""What other rooms may import from `apma`."""

from .method import search as search
from .settings import (
    ABLATIONS as ABLATIONS,
    NAME as NAME,
    PARTS as PARTS,
    RECONSTRUCTIONS as RECONSTRUCTIONS,
    SIMILARITY as SIMILARITY,
    WITHOUT as WITHOUT,
    ablations as ablations,
    search_from as search_from,
    suited_search as suited_search,
)
