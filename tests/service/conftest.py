"""What tests of the worker share."""

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    """The worker tries how many threads are fastest; other tests want one."""
    yield
    torch.set_num_threads(1)
