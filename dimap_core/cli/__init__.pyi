"""What other rooms may import from `cli`."""

from .commands import main as main
