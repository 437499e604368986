"""What other rooms may import from `methods`."""

from . import apma as apma, nvit as nvit, spvit as spvit
