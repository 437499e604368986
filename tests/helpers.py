"""What several test files use and the product does not."""

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from dimap_core.cut.masks import masked_weights, with_weights
from dimap_core.ranking import Scores
from dimap_core.types import Anatomy, Selection

PATIENCE = 150  # seconds; a worker needs ten to start on a busy machine


def mask_model(model: nn.Module, anatomy: Anatomy, scores: Scores, selection: Selection) -> nn.Module:
    """A copy of `model` with everything selected set to zero."""
    return with_weights(model, masked_weights(model, anatomy, scores, selection))


@contextmanager
def full_disk(most: int) -> Iterator[None]:
    """No file can grow beyond `most` bytes: what a process meets on a full disk, without one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def wait(condition):
    """Look again until it holds."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def finish(*tickets):
    """Wait until no more events can come."""
    wait(lambda: not any(ticket.running for ticket in tickets))
