"""What other rooms may import from `spvit`."""

from .method import search as search
from .settings import SIMPLIFICATIONS as SIMPLIFICATIONS, search_from as search_from, suited_search as suited_search
