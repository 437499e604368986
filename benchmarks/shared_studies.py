"""A study that processes share: what more of them bring, what its storage takes of a trial, what a process takes.

    python -m benchmarks.shared_studies [MODEL] [--trials 24]     3 CPU minutes; DIMAP_STUDIES names another storage

Trials of one model under single-weight cuts, all validation images, by 1, 2 and 4 processes of one torch thread each
that begin together. Trials a second, from the first that begins to the last that ends, are given as ratios to one
process, and so is the processor's time for all trials: the first needs free cores, the second only rises by what each
process does once (opening the model, judging it dense) and by what sharing costs.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import torch

from dimap_core.studies import shared

from .measured import command_line, load, store, table

COLUMNS = ["what", "measured"]
PROCESSES = (1, 2, 4)


def begun(name: str, model: str, trials: int) -> Any:
    """A new study of so many trials."""
    ratios = [round(0.3 + 0.6 * place / trials, 4) for place in range(trials)]
    grid = {"criteria": ["dimap"], "scopes": ["model"], "ratios": ratios}
    asked = shared.Asked.by(shared.checked({"models": [model], "grids": [grid]}))
    ledger = shared.begin(name, asked, shared.look(asked))
    ledger.storage.engine.dispose()  # processes that are forked open their own
    return ledger


def done_by(count: int, name: str) -> tuple[float, float]:
    """Seconds from the first trial's begin to the last one's end, and of the processor, by so many processes."""
    before = _computed()
    ours = multiprocessing.get_context("fork")
    ready = ours.Barrier(count)
    processes = [ours.Process(target=_join, args=(name, ready)) for _ in range(count)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    trials = shared.named(name).study.get_trials()
    ends = [trial.datetime_complete for trial in trials if trial.datetime_complete]
    begins = [trial.datetime_start for trial in trials if trial.datetime_start]
    return (max(ends) - min(begins)).total_seconds(), _computed() - before


def _computed() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _join(name: str, ready: Any) -> None:
    ledger = shared.named(name)
    ready.wait()
    for _ in shared.work(ledger):
        pass


def kept_in(name: str, model: str, row: dict[str, Any], trials: int) -> float:
    """Milliseconds that taking a trial, its signs of life and keeping its row take, the median."""
    ledger, spent = begun(name, model, trials), []
    for _ in range(trials):
        begin = time.perf_counter()
        trial = ledger.take()
        with ledger.alive(trial):
            pass
        ledger.finish(trial, row)
        spent.append(1e3 * (time.perf_counter() - begin))
    return statistics.median(spent)


def memory(name: str) -> float:
    """The most MiB that a process of `work` has resident."""
    subprocess.run([sys.executable, "-m", "dimap_core", "work", name], check=True, capture_output=True)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def main() -> None:
    """Everything, in a folder that is gone afterwards."""
    parser = command_line(__doc__)
    parser.add_argument("model", nargs="?", default="swin-digits", metavar="MODEL")
    parser.add_argument("--trials", type=int, default=24)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DIMAP_HOME"] = folder
        _run(asked.model, asked.trials, lambda what: f"{what}-{os.getpid()}")


def _run(model: str, trials: int, named: Callable[[str], str]) -> None:
    place = re.sub(r"\W.*", "", os.environ.get("DIMAP_STUDIES", "sqlite"))
    begun(named("memory"), model, 4)
    most = memory(named("memory"))
    seconds, computed = {}, {}
    for count in PROCESSES:
        begun(named(f"by-{count}"), model, trials)
        seconds[count], computed[count] = done_by(count, named(f"by-{count}"))
        print(f"{count} processes: {seconds[count]:.1f} s, {computed[count]:.1f} CPU s, load {load()}", flush=True)
    row = shared.named(named("by-1")).rows()[0]
    spent = kept_in(named("kept"), model, row, trials)
    trial = 1e3 * seconds[1] / trials
    rows = [[f"trials a second, {n} to 1 processes", f"{seconds[1] / seconds[n]:.2f}"] for n in PROCESSES[1:]]
    rows += [[f"CPU time, {n} to 1 processes", f"{computed[n] / computed[1]:.2f}"] for n in PROCESSES[1:]]
    rows += [
        [f"storage ({place}), of a trial of {trial:.0f} ms", f"{spent:.1f} ms, {spent / trial:.1%}"],
        ["most memory of a process", f"{most:.0f} MiB"],
    ]
    print(table(COLUMNS, rows))
    store("shared_studies", COLUMNS, rows)


if __name__ == "__main__":
    main()
