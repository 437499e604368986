"""How many torch threads the next step of the worker gets: two while the cores are free, one beside other work.

Two threads take 0.6 to 0.8 of the time of one on two cores, but about four times as long as soon as another process
wants one of them: the thread that has its core spins at every barrier until the other one gets its turn
(`python -m benchmarks.threads` measures both). So the choice is made anew at every step, from what the last step with
two threads got: on free cores nearly two seconds of processor time a second. Whoever allows one (OMP_NUM_THREADS=1)
gets one.
Next door: `worker` takes the steps.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_MOST = 2
_FREE = 0.8  # of the processor time that all threads could have had: less means that others want the cores
_SHORT = 0.01  # seconds; shorter steps say nothing
_REST = 10.0  # seconds until two threads are tried again


class Threads:
    """One or two threads, by what the cores have to give; `most` of 1 never tries."""

    def __init__(self, most: int = min(_MOST, torch.get_num_threads())) -> None:
        self.most = most
        self.rest_until = 0.0

    @contextmanager
    def given(self, parallel: bool = True) -> Iterator[int]:
        """Set torch's threads for the work inside; work that is not `parallel` gets one and is not judged."""
        many = self.most if parallel and time.monotonic() >= self.rest_until else 1
        torch.set_num_threads(many)
        start, spent = time.perf_counter(), time.process_time()
        yield many
        taken, spent = time.perf_counter() - start, time.process_time() - spent
        if many > 1 and taken > _SHORT and spent < _FREE * many * taken:
            self.rest_until = time.monotonic() + _REST
