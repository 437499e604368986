"""Streams of ever better results, run to their end. Whoever wants to cancel closes one instead.

Next door: `measure.accuracy` and `pipeline` are full of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable
from typing import TypeVar

Found = TypeVar("Found")
Sign = TypeVar("Sign")


def drain(steps: Iterable[object]) -> None:
    """Run a stream for what it does on its way."""
    deque(steps, maxlen=0)


def last(steps: Iterable[Found], sign: Sign) -> Generator[Sign, None, Found]:
    """Yield `sign` after every step of a stream that has one at least, so that others get their turn; returns what the
    stream yielded last."""
    for found in steps:  # noqa: B007
        yield sign
    return found
