"""What other rooms may import from `models.exports`."""

from .source import write_source as write_source
