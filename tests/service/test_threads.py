"""How many threads a step gets: two as long as two get the cores, one for a while after that was not so."""

import pytest
import torch

from dimap_core.service import threads
from dimap_core.service.threads import Threads

STEP = 0.03  # seconds


class Clock:
    """The module's time: only steps pass it, each with `share` processor seconds a second."""

    def __init__(self):
        self.now, self.spent, self.share = 100.0, 0.0, 2.0

    def perf_counter(self):
        return self.now

    monotonic = perf_counter

    def process_time(self):
        return self.spent


@pytest.fixture
def clock(monkeypatch):
    found = Clock()
    monkeypatch.setattr(threads, "time", found)
    return found


def take(given, clock, seconds=STEP, **how):
    """A step of some length; how many threads it had."""
    with given.given(**how) as many:
        assert torch.get_num_threads() == many
        clock.now, clock.spent = clock.now + seconds, clock.spent + seconds * clock.share
    return many


def test_two_threads_as_long_as_the_cores_are_free(clock):
    given = Threads(2)
    assert [take(given, clock) for _ in range(3)] == [2, 2, 2]


def test_one_thread_beside_other_work_and_two_are_tried_again_later(clock):
    given = Threads(2)
    clock.share = 1.2
    assert [take(given, clock), take(given, clock)] == [2, 1]
    clock.share = 2.0
    assert take(given, clock) == 1
    clock.now += threads._REST
    assert [take(given, clock), take(given, clock)] == [2, 2]


def test_short_and_serial_steps_say_nothing(clock):
    given = Threads(2)
    clock.share = 1.0
    assert [take(given, clock, 0.001), take(given, clock, parallel=False), take(given, clock)] == [2, 1, 2]


def test_a_single_core_has_one_thread(clock):
    assert take(Threads(1), clock) == 1


def test_there_are_no_more_threads_than_torch_may_have():
    assert Threads().most == 1  # what conftest allows the tests
