"""The real app on a free port, as benchmarks start and stop it, and what it takes of the machine.

Next door: `visitors` speak to it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 90.0  # seconds until a server that does not answer counts as an error


@contextlib.contextmanager
def app() -> Iterator[tuple[int, int, Path]]:
    """Run the app; yields (port, process id, file with what it printed) and kills it and its worker at the end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    with tempfile.TemporaryDirectory() as folder:
        printed = Path(folder) / "output.txt"
        with printed.open("w") as output:
            process = subprocess.Popen(
                [*command, "--server.headless", "true"], cwd=ROOT, stdout=output, stderr=output, start_new_session=True
            )
            try:
                _wait_healthy(port, process)
                yield port, process.pid, printed
            finally:
                process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(10)
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)  # its own group: the app and the worker it started
                process.wait()


def _wait_healthy(port: int, process: subprocess.Popen) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError), urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=2) as answer:
            if answer.status == 200:
                return
        time.sleep(0.2)
    raise RuntimeError("The app did not start.")


def processes(pid: int) -> list[tuple[str, int]]:
    """The app and its children (the worker)."""
    found = [("app", pid)]
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):  # a thread that has ended meanwhile
            found += [("worker", int(child)) for child in (task / "children").read_text().split()]
    return found


def usage(pid: int) -> dict[str, float]:
    """MiB in RAM of app and worker ("private": without mapped files), and CPU seconds so far, the clients' too."""
    found = dict.fromkeys(("app", "app private", "worker", "worker private", "app CPU", "worker CPU"), 0.0)
    found["clients CPU"] = time.process_time()
    for name, process in processes(pid):
        with contextlib.suppress(OSError):
            status = Path(f"/proc/{process}/status").read_text().splitlines()
            lines = dict(line.split(":", 1) for line in status)
            found[name] += int(lines["VmRSS"].split()[0]) / 1024
            found[f"{name} private"] += int(lines["RssAnon"].split()[0]) / 1024
            ticks = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:13]
            found[f"{name} CPU"] += sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
    return found
