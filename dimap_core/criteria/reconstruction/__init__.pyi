"""What other rooms may import from `reconstruction`."""

from .moments import InputMoments as InputMoments, observe as observe
from .outputs import OutputFisher as OutputFisher, feel as feel
