"""What other rooms may import from `models.shapes`."""

from .architectures import architecture as architecture
from .asked import check_heard as check_heard, parted as parted
from .entering import ENTERING as ENTERING, of_processor as of_processor, of_timm as of_timm
from .fitting import Architecture as Architecture, Build as Build, exact as exact, signature as signature
from .limits import checked as checked
