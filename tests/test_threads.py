"""How many threads a step gets: two as long as two get the cores, one for a while after that was not so."""

import time

import pytest
import torch

from dimap_core import threads
from dimap_core.threads import Threads

STEP = 0.03  # seconds


@pytest.fixture(autouse=True)
def _one_thread():
    """Other tests want one."""
    yield
    torch.set_num_threads(1)


@pytest.fixture
def processor(monkeypatch):
    """Processor seconds a second that steps pretend to get."""
    got = {"share": 2.0}
    monkeypatch.setattr(threads.time, "process_time", lambda: time.perf_counter() * got["share"])
    return got


def take(given, seconds=STEP, **how):
    """A step of some length; how many threads it had."""
    with given.given(**how) as many:
        assert torch.get_num_threads() == many
        time.sleep(seconds)
    return many


def test_two_threads_as_long_as_the_cores_are_free(processor):
    given = Threads(2)
    assert [take(given) for _ in range(3)] == [2, 2, 2]


def test_one_thread_beside_other_work_and_two_are_tried_again_later(processor, monkeypatch):
    given = Threads(2)
    processor["share"] = 1.2
    assert [take(given), take(given)] == [2, 1]
    processor["share"] = 2.0
    assert take(given) == 1
    monkeypatch.setattr(given, "rest_until", 0.0)
    assert [take(given), take(given)] == [2, 2]


def test_short_and_serial_steps_say_nothing(processor):
    given = Threads(2)
    processor["share"] = 1.0
    assert [take(given, 0.0), take(given, parallel=False), take(given)] == [2, 1, 2]


def test_a_single_core_has_one_thread(processor):
    assert take(Threads(1)) == 1
