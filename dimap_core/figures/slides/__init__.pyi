"""What other figures and rooms may import from `figures.slides`."""

from .path import path_picture as path_picture
