"""The models that a worker has open and sessions' prefix caches, under one memory limit.

Who may start is decided before anything is loaded: a model that would not fit alone is refused, models not in use make
room for newer ones, and where those in use leave none the request waits.
Next door: `models.footprint` says what a model needs, `models.memory` what is allowed, `requests` and `worker` use
these.
"""

from __future__ import annotations

import shutil
from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import pipeline
from ..measure import LIMIT, PrefixCache
from ..models import footprint, memory
from .open_images import OpenImages

_CACHES = 2  # sessions whose prefix caches are kept
_CACHE_SHARE = 16  # the part of all memory that one of them may take, and at most `measure.LIMIT` bytes
_JUDGED = 50  # models that were let go and of which this is remembered
_KEPT = ("dense", "sizes", "bf16", "note", "trials", "seconds")

Request = dict[str, Any]


@dataclass
class OpenModels:
    """Opened models and the sessions' prefix caches, together at most `limit` bytes (None: what the environment
    allows); `tuning` holds models whose batch size is being measured, `judged` how models that were let go were judged,
    by fingerprint. A model is known by (name, kind of weights)."""

    folder: Path
    limit: int | None = None
    opened: OrderedDict[tuple[str, str], pipeline.Opened] = field(default_factory=OrderedDict)
    tuning: set[str] = field(default_factory=set)
    judged: OrderedDict[str, dict[str, Any]] = field(default_factory=OrderedDict)
    caches: OrderedDict[str, tuple[str, PrefixCache]] = field(default_factory=OrderedDict)
    images: OpenImages = field(default_factory=OpenImages)

    @property
    def allowed(self) -> int:
        """Bytes for models and caches."""
        return memory.allowed() if self.limit is None else self.limit

    @property
    def cache_bytes(self) -> int:
        """Bytes of one session's prefix cache."""
        return min(LIMIT, self.allowed // _CACHE_SHARE)

    def model(self, request: Request) -> pipeline.Opened:
        """The request's model, loaded on first use, judged by the request's images if it names any."""
        key = model_key(request)
        if key not in self.opened:
            opened = self.opened[key] = pipeline.open_model(*key, named_only=True)
            for name, value in self.judged.pop(opened.info.fingerprint, {}).items():
                setattr(opened, name, value)
        self.opened.move_to_end(key)
        chosen = request.get("images")
        return self.images.on(self.opened[key], chosen) if chosen else self.opened[key]

    def admits(self, request: Request, used: Counter[tuple[str, str]]) -> bool:
        """Whether there is room for the request's model and its cut; of models not in use those used longest ago make
        it. `used`: how many requests under way hold a cut of each model. Raises UnsupportedModel for a model that would
        not fit alone."""
        key, limit = model_key(request), self.allowed - _CACHES * self.cache_bytes
        known = self.opened.get(key)
        new = footprint.check(key[0], limit) if known is None else footprint.of(known.model, known.anatomy)
        cuts = used + Counter([key])
        need = new.batch + (0 if key in self.opened else new.weights * (1 + cuts[key]))
        need += sum(_size(opened, cuts[each]) for each, opened in self.opened.items() if cuts[each])
        if need > limit and used:
            return False
        idle = [each for each in self.opened if not cuts[each]]
        need += sum(_size(self.opened[each], 0) for each in idle)
        while need > limit and idle:
            need -= _size(self.opened[idle[0]], 0)
            self.evict(idle.pop(0))
        return True

    def evict(self, key: tuple[str, str]) -> None:
        """Let a model go with its files, unless another one with the same weights has these too."""
        gone = self.opened.pop(key)
        fingerprint = gone.info.fingerprint
        self.judged[fingerprint] = {name: getattr(gone, name) for name in _KEPT}
        while len(self.judged) > _JUDGED:
            self.judged.popitem(last=False)
        if all(opened.info.fingerprint != fingerprint for opened in self.opened.values()):
            self.images.forget(fingerprint)
            for folder in self.folder.glob(f"{fingerprint}*"):
                shutil.rmtree(folder, ignore_errors=True)
            for session in [session for session, (owner, _) in self.caches.items() if owner.startswith(fingerprint)]:
                self.leave(session)
        del gone
        memory.give_back()

    def forget(self, prefix: str) -> None:
        """Let all models go whose names begin with `prefix`."""
        for key in [key for key in self.opened if key[0].startswith(prefix)]:
            fingerprint = self.opened[key].info.fingerprint
            self.evict(key)
            self.judged.pop(fingerprint, None)

    def leave(self, session: str) -> None:
        """Let a session's prefix cache go."""
        _, cache = self.caches.pop(session, ("", None))
        if cache is not None:
            cache.close()

    def prefix(self, session: str, opened: pipeline.Opened) -> PrefixCache:
        """The session's own cache, begun anew with another model or images; the sessions seen last keep theirs."""
        owner, cache = self.caches.pop(session, ("", PrefixCache()))
        mine = f"{opened.info.fingerprint} {opened.info.data}"
        if owner != mine:
            cache = PrefixCache(self.cache_bytes)
        self.caches[session] = (mine, cache)
        while len(self.caches) > _CACHES:
            self.leave(next(iter(self.caches)))  # it may be evaluating, and goes on without a cache
        return cache


def model_key(request: Request) -> tuple[str, str]:
    """What a request's model is known by."""
    return request["model"], request["weights"]


def _size(opened: pipeline.Opened, cuts: int) -> int:
    """Bytes of weights, of as many private cuts of them, of scores that are not on disk, statistics and repaired
    weights."""
    weights = sum(parameter.nbytes for parameter in opened.model.parameters())
    repaired = sum(tensor.nbytes for found in opened.repaired.values() for tensor in found.values())
    kept = (*opened.scores.values(), *opened.statistics.values())
    return weights * (1 + cuts) + repaired + sum(found.nbytes for found in kept)
