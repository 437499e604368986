"""What other rooms may import from `models`."""

from . import checkpoints as checkpoints, footprint as footprint, memory as memory, published as published
from .bundled import BUNDLED as BUNDLED, BundledModel as BundledModel, bundled as bundled, bundled_card as bundled_card
from .catalogue import architectures as architectures, entries_by_name as entries_by_name
from .checkpoints import check_writable as check_writable, facts as facts, zeroed as zeroed
from .directory import fill as fill
from .exports import write_source as write_source
from .footprint import image_bytes as image_bytes, largest_batch as largest_batch
from .load import fetch_weights as fetch_weights, load_model as load_model, read_as as read_as
from .named_models import (
    build as build,
    bundled_info as bundled_info,
    load_bundled as load_bundled,
    load_named as load_named,
    skeleton as skeleton,
)
from .presets import NOTE as NOTE, presets as presets
from .published import (
    PUBLICATIONS as PUBLICATIONS,
    Figure as Figure,
    Publication as Publication,
    publication as publication,
)
from .saving import check_leads_back as check_leads_back, save as save
from .shapes import CROPS as CROPS, INTERPOLATIONS as INTERPOLATIONS, proposed as proposed, written as written
from .to_onnx import plain_attention as plain_attention, write_onnx as write_onnx
from .told import classes as classes, in_a_line as in_a_line
