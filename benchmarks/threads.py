"""One torch thread against two, and against the worker's choice, on free cores and beside a busy one.

    python -m benchmarks.threads [--repeats 7] [MODEL ...]

Each repetition judges 360 images of one cut, one side after the other; cells are ratios of medians [smallest -
largest of one repetition], then seconds. The busy core is a Python process that does nothing but count.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator

import torch

from dimap_core import pipeline
from dimap_core.service import Threads
from dimap_core.types import PruningPlan

from .live import Pair, timed
from .measured import command_line, machine, store, table

MODELS = ("swin-textured", "deit-textured")
IMAGES = 360
SETTLE = 0.5  # seconds that the busy process gets to start
PLAN = PruningPlan(ratio=0.5)


@contextlib.contextmanager
def busy_core(wanted: bool) -> Iterator[None]:
    """Another process that takes a core until the block ends."""
    if not wanted:
        yield
        return
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        time.sleep(SETTLE)
        yield
    finally:
        process.kill()
        process.wait()


def judge(opened: pipeline.Opened, threads: int | Threads) -> None:
    """All images, with a fixed number of threads or as many as each batch is given."""
    torch.set_num_threads(threads if isinstance(threads, int) else 1)
    steps = pipeline.judge(opened, pipeline.default_data(opened), PLAN, IMAGES)
    more = True
    while more:
        with contextlib.nullcontext() if isinstance(threads, int) else threads.given():
            more = next(steps, None) is not None


def compare(opened: pipeline.Opened, threads: int | Threads, repeats: int) -> str:
    """A cell: with these threads / with one."""
    pair = Pair()
    for _ in range(repeats):
        pair.ours.append(timed(lambda: judge(opened, threads))[0])
        pair.naive.append(timed(lambda: judge(opened, 1))[0])
    return pair.cell()


def main() -> None:
    """One row a model and load."""
    parser = command_line(__doc__, MODELS)
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    print(f"{machine()}\n", flush=True)
    rows = []
    for name in arguments.models:
        opened = pipeline.open_model(name)
        judge(opened, 1)
        for busy in (False, True):
            with busy_core(busy):
                cells = [compare(opened, threads, arguments.repeats) for threads in (2, Threads())]
            rows.append([f"`{name}`, {'one core busy' if busy else 'cores free'}", *cells])
    header = [f"{IMAGES} images", "two threads / one", "the worker's choice / one"]
    print(table(header, rows))
    store("threads", header, rows)
    print(f"\nAt the end: {machine()}")


if __name__ == "__main__":
    main()
