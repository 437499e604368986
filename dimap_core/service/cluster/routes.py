"""Who works for whom: each session has one actor, which holds its prefix cache and replaces its older requests.

Bookkeeping alone, no Ray: what has to be told to which actor, and what has to be asked again when one died.
Next door: `relay` tells it, `worker.Worker.accept` is what an actor does with a message.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

_DEATHS = 3  # actors that may die over one request

Message = dict[str, Any]


@dataclass
class Asked:
    """A request under way: which actor does it, which sessions wait for it, and how many actors died over it."""

    message: Message
    actor: int
    sessions: list[str]
    deaths: int = 0

    @property
    def stays(self) -> bool:
        """Whether it is done whatever else its session asks: models are opened for all."""
        return bool(self.message.get("kind") == self.message["channel"] == "open")


@dataclass
class Routes:
    """`usable`: the actors' numbers; `ready`: those that have started. `asked`: requests under way by ticket; `homes`:
    each session's actor."""

    usable: set[int]
    ready: set[int] = field(default_factory=set)
    asked: dict[str, Asked] = field(default_factory=dict)
    homes: dict[str, int] = field(default_factory=dict)

    def accept(self, message: Message) -> list[tuple[int, Message]]:
        """What must be told to whom, (actor, message), so that all actors together do as one worker would."""
        if "forget" in message:
            return [(actor, message) for actor in sorted(self.usable)]
        if "cancel" in message:
            session, channel = message["cancel"], message.get("channel")
            told = self._left(session, channel) | ({self.homes[session]} if session in self.homes else set())
            if channel is None:
                self.homes.pop(session, None)
            return [(actor, message) for actor in sorted(told)]
        return self._join(message) if "join" in message else self._ask(message)

    def _ask(self, message: Message) -> list[tuple[int, Message]]:
        """A new request goes to its session's actor, and ends what the session waits for elsewhere."""
        session, channel = message["session"], message["channel"]
        new = Asked(message, self._home(session), [session])
        left = set() if new.stays else self._left(session, channel)
        self.asked[message["ticket"]] = new
        return [*_leave(left - {new.actor}, session, channel), (new.actor, message)]

    def _join(self, message: Message) -> list[tuple[int, Message]]:
        """Who joins a request goes to the actor that has it; where that has ended meanwhile, the session's own one is
        told that it waits for nothing."""
        session, channel = message["session"], message["channel"]
        known = self.asked.get(message["join"])
        actor = self._home(session) if known is None else known.actor
        if known is not None and session in known.sessions:
            return [(actor, message)]
        left = self._left(session, channel)
        if known is not None:
            known.sessions.append(session)
        return [*_leave(left - {actor}, session, channel), (actor, message)]

    def died(self, actor: int) -> tuple[list[Message], list[str], list[str]]:
        """An actor is gone: (messages that ask its successor for what is under way, tickets of those, tickets that end
        because nobody waits for them any more). What killed too many is left out and stays in `asked`: see `deadly`."""
        again: list[Message] = []
        tickets, ended = [], []
        for ticket, asked in [(ticket, one) for ticket, one in self.asked.items() if one.actor == actor]:
            asked.deaths += 1
            if not asked.sessions and not asked.stays:
                ended.append(ticket)
                del self.asked[ticket]
            elif asked.deaths < _DEATHS:
                first, *others = asked.sessions or [asked.message["session"]]
                channel = asked.message["channel"]
                again += [{**asked.message, "session": first}]
                again += [{"session": other, "channel": channel, "join": ticket} for other in others]
                tickets.append(ticket)
        return again, tickets, ended

    def deadly(self) -> list[str]:
        """Tickets of requests over which too many actors died; they are under way no more."""
        found = [ticket for ticket, asked in self.asked.items() if asked.deaths >= _DEATHS]
        for ticket in found:
            del self.asked[ticket]
        return found

    def close(self, actor: int) -> list[str]:
        """Use an actor no more; the tickets that end by this."""
        self.usable.discard(actor)
        self.homes = {session: home for session, home in self.homes.items() if home != actor}
        ended = [ticket for ticket, asked in self.asked.items() if asked.actor == actor]
        for ticket in ended:
            del self.asked[ticket]
        return ended

    def _home(self, session: str) -> int:
        """A session's actor; a new session gets one that has started, of those the one with the fewest sessions."""
        if session not in self.homes:
            load = Counter(self.homes.values())
            self.homes[session] = min(self.usable, key=lambda actor: (actor not in self.ready, load[actor], actor))
        return self.homes[session]

    def _left(self, session: str, channel: str | None) -> set[int]:
        """A session waits for nothing more on a channel (None: on any); the actors where it did."""
        found = set()
        for asked in self.asked.values():
            if session in asked.sessions and not asked.stays and channel in (None, asked.message["channel"]):
                asked.sessions.remove(session)
                found.add(asked.actor)
        return found


def _leave(actors: set[int], session: str, channel: str) -> list[tuple[int, Message]]:
    return [(actor, {"cancel": session, "channel": channel}) for actor in sorted(actors)]
