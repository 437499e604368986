"""What other rooms may import from `reconstruction`."""

from .fisher_pass import feel as feel
