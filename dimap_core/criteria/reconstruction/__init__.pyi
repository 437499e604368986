"""What other rooms may import from `reconstruction`."""

from .moments import InputMoments as InputMoments, observe as observe
from .outputs import feel as feel
