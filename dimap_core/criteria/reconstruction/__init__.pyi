"""What other rooms may import from `reconstruction`."""

from .moments import InputMoments as InputMoments, observe as observe
from .outputs import OutputFisher as OutputFisher, feel as feel
from .qk_scale import measured_images as measured_images
from .threads import one_thread as one_thread
