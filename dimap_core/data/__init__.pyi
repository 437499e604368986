"""What other rooms may import from `data`."""

from . import permitted as permitted, sets as sets
from .batches import (
    balanced_subset as balanced_subset,
    check_fit as check_fit,
    held_apart as held_apart,
    normalised as normalised,
    restricted as restricted,
    stratified_order as stratified_order,
    training_subset as training_subset,
    unlabelled_subset as unlabelled_subset,
)
from .class_file import ClassFile as ClassFile, read_classes as read_classes
from .decode import Decoded as Decoded, thumbnail as thumbnail
from .download import Download as Download, download as download
from .from_source import (
    Answered as Answered,
    ChosenImages as ChosenImages,
    choose as choose,
    one_image as one_image,
    sampled as sampled,
)
from .image_file import LISTED as LISTED, SUFFIXES as SUFFIXES
from .registry import DATASETS as DATASETS, image_set as image_set, is_drawn as is_drawn, load_data as load_data
from .sources import (
    COUNT as COUNT,
    FOLDER as FOLDER,
    LEFT_OUT as LEFT_OUT,
    MOST as MOST,
    PACKED as PACKED,
    ZIP as ZIP,
    ImageSource as ImageSource,
    check_count as check_count,
    from_request as from_request,
)
from .subset import shown as shown
from .whole import whole_training as whole_training
