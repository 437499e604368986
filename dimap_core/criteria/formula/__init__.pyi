"""What other rooms may import from `formula`."""

from .scoring import PREFIX as PREFIX, row as row
from .words import FUNCTIONS as FUNCTIONS, WORDS as WORDS
