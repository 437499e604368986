"""What other rooms may import from `models.shapes`."""

from .architectures import architecture as architecture
from .asked import check_heard as check_heard, parted as parted, proposed as proposed
from .fitting import Architecture as Architecture, Build as Build, exact as exact, signature as signature
from .limits import checked as checked
from .preprocessing import (
    CROPS as CROPS,
    GUESS as GUESS,
    IMAGENET as IMAGENET,
    INTERPOLATIONS as INTERPOLATIONS,
    beside as beside,
    on_card as on_card,
    with_pictures as with_pictures,
    written as written,
)
