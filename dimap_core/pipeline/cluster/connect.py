"""Finding the Ray cluster that DIMAP_RAY names, or starting one on this machine. No torch; Ray once it is asked for.

A cluster that is started here listens on 127.0.0.1, has no dashboard, sends no usage statistics, wants a random token
of whoever connects, and ends with this process.
Next door: `crew` and `service.cluster.relay` make actors in it.
"""

from __future__ import annotations

import functools
import hashlib
import os
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ...types import PruningError

SETTING = "DIMAP_RAY"
_AUTO = "auto"
_RUNNING = Path("ray", "ray_current_cluster")  # where `ray start` leaves its address, below the temporary folder
_PATIENCE = 5.0  # seconds until an address counts as wrong: Ray itself tries for two minutes, then ends the process
_SHARE = 0.5  # of a core or GPU: learners' requests and studies each get one actor on it, as on a single machine
_GENTLE = 5  # how nice an actor is, as the worker
_CORE = Path(__file__).resolve().parents[2]
_REMEDY = f"start one by 'ray start --head', give its HOST:PORT by {SETTING}, or unset {SETTING}"


@dataclass(frozen=True)
class Cluster:
    """A cluster that this process is connected to: the `ray` module, how many actors it can hold on how many machines,
    whether on GPUs, and whether the connection was made by `connected`."""

    ray: Any
    actors: int
    machines: int
    gpus: bool
    own: bool

    def leave(self) -> None:
        """End the connection, and the cluster where it was started by this process."""
        if self.own:
            self.ray.shutdown()

    def actor(self, kind: type, *arguments: Any, **options: Any) -> Any:
        """A handle on a new actor of that class; it runs as soon as a core (or GPU) has room for it."""
        share = {"num_cpus": 0, "num_gpus": _SHARE} if self.gpus else {"num_cpus": _SHARE}
        return self.ray.remote(**share, **options)(kind).remote(*arguments)


def wanted() -> str:
    """What DIMAP_RAY says; "" for no cluster."""
    return os.environ.get("DIMAP_RAY", "").strip()


def connected(cores: int | None = None) -> Cluster:
    """The cluster that DIMAP_RAY names: "auto" is the one that `ray start` left running on this machine, else one that
    is started now, with so many cores (None: all); anything else its address. Raises PruningError where there is none.
    """
    asked = wanted()
    found = _running() if asked == _AUTO else asked
    if not found:
        _keep_to_ourselves()
    elif not found.startswith("ray://"):
        _check_answers(found)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray = _ray()
    mine = not ray.is_initialized()
    if mine:
        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
        own: dict[str, Any] = {"include_dashboard": False, "num_cpus": cores}
        try:
            ray.init(address=found or "local", **quiet, **({} if found else own))
        except Exception as error:  # whatever Ray raises, of its many kinds
            raise PruningError(
                f"The Ray cluster '{asked}' cannot be used ({_first_line(error)}); {_REMEDY}."
            ) from error
    has = ray.cluster_resources()
    gpus = has.get("GPU", 0) >= 1
    actors = max(1, int(has.get("GPU" if gpus else "CPU", 0)))
    return Cluster(ray, actors, max(1, sum(node["Alive"] for node in ray.nodes())), gpus, mine)


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise PruningError(
            f"{SETTING} is set, but Ray is not installed here: pip install '.[cluster]', or unset {SETTING}."
        ) from error
    return ray


def _running() -> str:
    """The address of a cluster that runs on this machine and answers; "" where there is none."""
    place = Path(os.environ.get("RAY_TMPDIR", "/tmp")) / _RUNNING
    found = os.environ.get("RAY_ADDRESS", "").strip()
    if not found and place.is_file():
        found = place.read_text(encoding="utf-8").strip()
    try:
        if found and not found.startswith("ray://"):
            _check_answers(found)
    except PruningError:
        return ""  # it was killed, and left its address
    return found


def _check_answers(address: str) -> None:
    """Raise PruningError where nobody listens at HOST:PORT."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=_PATIENCE).close()
    except (OSError, ValueError, OverflowError) as error:
        raise PruningError(f"No Ray cluster answers at '{address[:80]}'; {_REMEDY}.") from error


def _keep_to_ourselves() -> None:
    """What a cluster of this process reads when Ray is imported."""
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # Ray's name for: on 127.0.0.1, not on the network
    os.environ.setdefault("RAY_worker_niceness", "0")  # the actors see to it
    os.environ["RAY_AUTH_MODE"] = "token"
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))  # Ray reads it once a process


def be_gentle() -> None:
    """Let an actor give way to what people look at on its machine; Ray may have seen to it already."""
    os.nice(max(0, _GENTLE - os.nice(0)))


@functools.cache
def versions() -> dict[str, str]:
    """Of what numbers depend on: a hash of the core's code, torch and timm."""
    digest = hashlib.sha256()
    for path in sorted(_CORE.rglob("*.py")):
        digest.update(path.read_bytes())
    return {"DIMAP Explorer": digest.hexdigest()[:8], "torch": version("torch"), "timm": version("timm")}


def check_alike(there: Mapping[str, str], where: str) -> None:
    """Raise PruningError where a machine of the cluster has other versions than this process."""
    for what, here in versions().items():
        if there[what] != here:
            raise PruningError(f"'{where}' has {what} {there[what]}, here is {here}; install the same on all machines.")


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
