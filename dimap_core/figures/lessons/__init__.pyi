"""What other figures and rooms may import from `figures.lessons`."""

from .thresholds import thresholds as thresholds
