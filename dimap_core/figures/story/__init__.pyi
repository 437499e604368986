"""What other figures and rooms may import from `figures.story`."""

from .differences import PairedRow as PairedRow, difference_picture as difference_picture
from .images import count_card as count_card, image_card as image_card
from .mirrored import Half as Half, mirrored_picture as mirrored_picture
