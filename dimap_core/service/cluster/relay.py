"""What the client starts where DIMAP_RAY is set (`python -m dimap_core.service.cluster.relay FOLDER`): JSON lines in
and out as of the worker, for which actors of the cluster do the work. No torch.

An actor that died is replaced, and what it had under way is asked of the new one from the beginning: its tickets are
told so ("again"). Files lie in FOLDER, which all machines of the cluster must share (`TMPDIR`).
Next door: `routes` says who works for whom, `hands` is an actor.
"""

from __future__ import annotations

import json
import secrets
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...pipeline import cluster
from ...types import PruningError
from ..pipes import own_pipe
from .hands import MARK, Hands
from .routes import Message, Routes

_EAR = "ear"  # the actor's thread that hears while another one works
_DEADLY = "This ended three processes of the cluster; choose a smaller model, or give it machines with more memory."


class Relay:
    """Actors, and the requests that they have under way; `emit` sends an event to the client."""

    def __init__(self, found: cluster.Cluster, folder: Path, emit: Callable[[Message], None]) -> None:
        self._cluster, self._folder, self._emit = found, folder, emit
        self._mark, self._refusal, self._closing = secrets.token_hex(16), "", False
        (folder / MARK).write_text(self._mark, encoding="utf-8")
        self._routes, self._lock = Routes(set(range(found.actors))), threading.RLock()
        self._actors = [self._employ(number) for number in range(found.actors)]
        for number in range(found.actors):
            threading.Thread(target=self._listen, args=(number,), daemon=True).start()

    def accept(self, line: str) -> None:
        """Pass on what the client sent."""
        message = json.loads(line)
        with self._lock:
            if self._routes.usable:
                for number, told in self._routes.accept(message):
                    self._tell(number, told)
            elif "ticket" in message:
                self._emit(_refused(message["ticket"], self._refusal))

    def close(self) -> None:
        """Let the actors go, and the cluster where it was started here."""
        self._closing = True
        self._cluster.leave()

    def _employ(self, number: int) -> tuple[Any, Any]:
        """A new actor of that number: (its handle, its answer to who it is)."""
        shares = -(-self._cluster.actors // self._cluster.machines)
        actor = self._cluster.actor(Hands, str(self._folder / str(number)), shares, concurrency_groups={_EAR: 1})
        return actor, actor.about.remote(self._mark)

    def _tell(self, number: int, message: Message) -> None:
        self._actors[number][0].tell.options(concurrency_group=_EAR).remote(json.dumps(message))

    def _listen(self, number: int) -> None:
        """Hand on an actor's events; once it has died, those of its successor."""
        ray = self._cluster.ray
        while number in self._routes.usable and not self._closing:
            actor, about = self._actors[number]
            try:
                self._started(number, *ray.get(about))
                for line in actor.serve.options(num_returns="streaming").remote():
                    self._hear(ray.get(line))
            except PruningError as error:
                self._give_up(number, str(error))
            except ray.exceptions.RayError as error:
                self._lost(number, error)

    def _started(self, number: int, where: str, there: dict[str, str], sees: bool) -> None:
        """Raise PruningError for an actor that cannot work for this app."""
        cluster.check_alike(there, where)
        if not sees:
            raise PruningError(
                f"'{where}' does not see the folder '{self._folder}'; let TMPDIR name one that all machines of the "
                "cluster share, on this one too."
            )
        with self._lock:
            self._routes.ready.add(number)

    def _hear(self, line: str) -> None:
        """Hand on an event, unless its request ended meanwhile."""
        message = json.loads(line)
        with self._lock:
            if message["ticket"] in self._routes.asked:
                self._emit(message)
                if "event" not in message:
                    del self._routes.asked[message["ticket"]]

    def _lost(self, number: int, error: Exception) -> None:
        """An actor died: employ another one and ask it for all that was under way; one that never began stays away."""
        with self._lock:
            if number not in self._routes.ready:
                self._give_up(number, f"A process of the Ray cluster did not start ({_reason(error)}); see Ray's log.")
                return
            self._routes.ready.discard(number)
            self._cluster.ray.kill(self._actors[number][0])  # what failed otherwise must not go on beside it
            self._actors[number] = self._employ(number)
            again, tickets, ended = self._routes.died(number)
            for ticket in ended:
                self._emit({"ticket": ticket, "replaced": True})
            for ticket in self._routes.deadly():
                self._emit(_refused(ticket, _DEADLY))
            for ticket in tickets:
                self._emit({"ticket": ticket, "again": True})
            for message in again:
                self._tell(number, message)

    def _give_up(self, number: int, why: str) -> None:
        """Use an actor no more."""
        with self._lock:
            self._refusal = why
            for ticket in self._routes.close(number):
                self._emit(_refused(ticket, why))


def _refused(ticket: str, why: str) -> Message:
    return {"ticket": ticket, "error": why, "kind": PruningError.__name__}


def _reason(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1][:200]


def main() -> None:
    """Relay until stdin closes."""
    pipe, lock, relay = own_pipe(), threading.Lock(), None

    def emit(message: Message) -> None:
        with lock:
            pipe.write(json.dumps(message) + "\n")
            pipe.flush()

    for line in sys.stdin:
        try:
            relay = relay or Relay(cluster.connected(), Path(sys.argv[1]), emit)
        except PruningError as error:
            message = json.loads(line)
            if "ticket" in message:
                emit(_refused(message["ticket"], str(error)))
        else:
            relay.accept(line)
    if relay is not None:
        relay.close()


if __name__ == "__main__":
    main()
