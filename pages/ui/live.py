"""The live view: asks the worker, never waits for it. What is there is drawn; a fragment polls while more may come."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import streamlit as st
from pydantic import TypeAdapter

from dimap_core import index, roots
from dimap_core.client import Ticket
from dimap_core.cost import cost_report
from dimap_core.criteria import criterion as criterion_info
from dimap_core.criteria import images_read
from dimap_core.errors import DataError, InvalidPlan
from dimap_core.estimates import AccuracyEstimate
from dimap_core.plan import to_recipe
from dimap_core.ranking import Scores
from dimap_core.selection import select
from dimap_core.sources import FOLDER, ZIP, ImageSource
from dimap_core.types import Anatomy, CostReport, ModelInfo, PruningPlan, Selection
from dimap_core.uploads import PREFIX

from . import brought, cache, state
from .state import Setting, Tried

POLL = 0.1  # seconds between two looks at what the worker has sent, as long as few sessions wait
SHARE = 0.06  # seconds of polling interval for each request under way: all polls together take half a core at most
CURVE_RATIOS = (0.1, 0.3, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.93, 0.95, 0.98)
_CURVE_MACS = 3e13  # of a whole curve: some ten minutes of one core
_CURVE_IMAGES = 100  # at least, for each of its points
_CLOSE = 0.3  # of an interval: no poll is due so soon after the page's run
_ESTIMATE = TypeAdapter(AccuracyEstimate)


@dataclass(frozen=True)
class View:
    """A model that is open, scored and planned: everything synchronous about the current setting. `info.data` names
    the images it is judged by, `facts` tells of them where they were chosen (`data.chosen.Facts`)."""

    folder: str
    info: ModelInfo
    anatomy: Anatomy
    weights: dict[str, np.ndarray]
    scores: Scores
    selection: Selection
    cost: CostReport
    facts: dict[str, Any] | None = None


def folder(setting: Setting, criterion: str | None = None) -> str | None:
    """The worker's folder for a model scored by the setting's (or another) criterion; None while it is on its way.

    A model that cannot be opened sends the session back to its last good setting, with the reason as a notice.
    """
    try:
        key = _key(setting, criterion)
    except DataError as error:
        state.refuse(str(error))
        st.rerun()
    shared = cache.shared()
    ticket = shared.opening.get(key)
    gone = ticket is not None and not ticket.replaced and _gone(ticket, *key[2:6])
    if gone:
        st.session_state.reopening = key
        st.toast("Made room for newer models; opening this one again.", icon=":material/memory:")
    if ticket is None or ticket.replaced or gone:
        recipe = {"version": 1, "criterion": key[2], "seed": key[3], "granularity": key[4]}
        recipe |= {"images": key[5]} if key[5] else {}
        request = {"kind": "open", "model": _place(setting), "weights": setting.weights, "recipe": recipe}
        request["images"] = images(setting)
        # Reading images takes seconds, a download minutes: everyone's slider moves take turns with them, and this
        # session's next one ends it.
        channel = "live" if needs_images(key[2]) or _fetched(setting) else "open"
        ticket = shared.opening[key] = shared.worker.submit(cache.session(), channel, request)
        if channel == "live":
            st.session_state.reading = key, ticket
    if ticket.error is not None:
        shared.opening.pop(key, None)
        if setting == Setting():
            st.error("The default model cannot be opened; see the log of the server.")
            st.stop()
        _refuse(setting, ticket.error, ticket.kind)
    return ticket.last["folder"] if ticket.done and ticket.last else None


def _place(setting: Setting) -> str:
    """What the worker is to open; a file that this session may not read is refused."""
    try:
        return brought.place(setting.model)
    except DataError as error:
        _refuse(setting, str(error), "DataError")


def _refuse(setting: Setting, message: str, kind: str) -> NoReturn:
    """Back to the last good setting, with the reason and ways on."""
    state.refuse(message)
    brought.refused(message, kind, setting)
    st.rerun()


def _fetched(setting: Setting) -> bool:
    """Whether a model's weights may have to be downloaded first."""
    known = setting.model in cache.cards() or brought.is_brought(setting.model)
    return setting.weights == "pretrained" and not known


def images(setting: Setting) -> dict[str, Any] | None:
    """The setting's images as the worker is asked for them: paths under the allowed roots and this session's uploads;
    None for the model's own. Raises DataError for any other path."""
    source, title = setting.data, ""
    if not source:
        return None
    if source.startswith(PREFIX):
        upload = cache.shared().uploads.find(cache.session(), source)
        source, title = f"{ZIP}{upload.path}", upload.name
    for prefix in (FOLDER, ZIP):
        if setting.data.startswith(prefix):
            source = f"{prefix}{roots.allowed(setting.data.removeprefix(prefix))}"
    return ImageSource(source, setting.count, setting.draw, setting.classes, title).request()


def look_again() -> None:
    """List the current setting's images anew: files may have changed."""
    mine, opening = json.dumps(images(state.current())), cache.shared().opening
    for key in [key for key in opening if key[6] == mine]:
        del opening[key]


def ready_facts(setting: Setting) -> dict[str, Any] | None:
    """What is told of the setting's chosen images once they are listed; nothing is asked for."""
    try:
        ticket = cache.shared().opening.get(_key(setting, None))
    except DataError:
        return None
    done = ticket is not None and ticket.done and ticket.last
    return cache.facts(ticket.last["folder"]) if done else None


def needs_images(key: str) -> bool:
    """Whether a criterion reads training images before it can score."""
    return criterion_info(key).reads_images


def _gone(ticket: Ticket, criterion: str, seed: int, granularity: str, images: int) -> bool:
    """Whether the worker made room for newer scores since."""
    return ticket.done and not index.has_scores(Path(ticket.events[-1]["folder"]), criterion, seed, granularity, images)


def view() -> View | None:
    """The current setting's view, or None while its model is loading; a plan that cannot be met is refused."""
    setting = state.current()
    place = folder(setting)
    if place is None:
        return None
    _stop_reading(_key(setting, None))
    info, anatomy, weights = cache.model(place)
    info = replace(info, name=setting.model)  # the worker calls a file by its place
    st.session_state.judged_on = info.data
    st.session_state.recognised = f"{info.architecture}, {info.input_size} px"
    plan = setting.plan
    scores = cache.scores(place, plan.criterion, plan.seed, plan.scored, plan.images)
    try:
        selection = select(scores, anatomy, plan)
    except InvalidPlan as error:
        state.refuse(str(error))
        st.rerun()
    cost = cost_report(anatomy, selection)
    return View(place, info, anatomy, weights, scores, selection, cost, cache.facts(place))


def page_began() -> None:
    """Called before a page is drawn."""
    st.session_state.pop("page_ended", None)


def page_ended() -> None:
    """Called when all of a page is drawn."""
    st.session_state.page_ended = time.monotonic()


def polled(part: Callable[..., None], running: bool = True, every: float = POLL) -> Callable[..., None]:
    """`part` as a fragment: drawn once by the page and, while `running`, again at every poll.

    `every` seconds, or longer while many sessions wait, whose polls share one process.
    A poll at the very end of the page's run was sent before it, and Streamlit drops what that run still had to send,
    further polls included. So the page is drawn once more, as after a run that did not come to its end.
    """
    every = max(every, SHARE * cache.shared().worker.waiting)
    by_page = True

    @wraps(part)
    def drawn(*arguments: Any) -> None:
        nonlocal by_page
        if not by_page and time.monotonic() - st.session_state.get("page_ended", math.inf) < _CLOSE * every:
            st.rerun()
        by_page = False
        part(*arguments)

    return st.fragment(drawn, run_every=every if running else None)


def _stop_reading(wanted: tuple) -> None:
    """End what this session had read from images for a criterion that is no longer looked at."""
    key, ticket = st.session_state.get("reading", (wanted, None))
    if ticket is not None and key != wanted and ticket.running:
        cache.shared().worker.cancel(cache.session(), "live")


def wait_for(criterion: str | None = None, quietly: bool = False, other: Setting | None = None) -> None:
    """Poll until the current (or another) setting's model is open, scored by the plan's (or another) criterion, then
    draw the page anew."""
    polled(_wait)(criterion, quietly, other)


def _wait(criterion: str | None, quietly: bool, other: Setting | None) -> None:
    setting = other or state.current()
    if folder(setting, criterion) is not None:
        st.rerun()
    if quietly:
        return
    ticket = cache.shared().opening.get(_key(setting, criterion))
    doing = ticket.last.get("doing") if ticket is not None and ticket.last else None
    text = doing or "Loading the model; the first start takes about ten seconds"
    if st.session_state.get("reopening") == _key(setting, criterion):
        text = f"Made room for newer models; opening this one again ({text[0].lower()}{text[1:]})"
    st.info(f"{text}.", icon=":material/hourglass_top:")
    if ticket is not None and ticket.last and ticket.last.get("total"):
        download(ticket.last)


def download(event: dict[str, Any]) -> None:
    """How far the weights' download is."""
    done, total, left = event["done"], event["total"], event["left"]
    time_left = f", about {left:.0f} s left" if left is not None and left < 90 else ""
    time_left = time_left or (f", about {left / 60:.0f} min left" if left is not None else "")
    st.progress(min(1.0, done / total), f"{done / 1e6:.1f} of {total / 1e6:.1f} MB{time_left}")


def _key(setting: Setting, criterion: str | None) -> tuple[str, str, str, int, str, int, str]:
    plan, chosen = setting.plan, criterion or setting.plan.criterion
    read, judged = images_read(chosen, plan.images), json.dumps(images(setting))
    return setting.model, setting.weights, chosen, plan.seed, plan.scored, read, judged


def attempt(plan: PruningPlan, scores: Scores, anatomy: Anatomy) -> tuple[Selection | None, str]:
    """The selection of a plan that the user did not ask for, or why there is none."""
    try:
        return select(scores, anatomy, plan), ""
    except InvalidPlan as error:
        return None, str(error)


def stream(view: View, channel: str, request: dict[str, Any], wanted: tuple, jobs: bool = False) -> Ticket:
    """The ticket of a request; finished ones are shared by content, a newer one replaces this session's older one.

    `wanted`: what the answer depends on beside the model, the request's kind first. `jobs`: for the second worker,
    whose steps may take long.
    """
    ticket = known(view, channel, wanted, jobs)
    if ticket is None:
        setting = state.current()
        base = {"model": _place(setting), "weights": setting.weights, "data": view.info.data, "images": images(setting)}
        worker = cache.shared().jobs if jobs else cache.shared().worker
        if older := st.session_state.streams.get((channel, jobs)):
            _keep(*older)  # it may have ended since it was last looked at
        ticket = worker.submit(cache.session(), channel, {**base, **request})
        st.session_state.streams[channel, jobs] = (_content(view, wanted), ticket)
    return ticket


def known(view: View, channel: str, wanted: tuple, jobs: bool = False) -> Ticket | None:
    """The ticket of a request that was answered to anyone, or that this session has asked; nothing is asked anew."""
    key, shared = _content(view, wanted), cache.shared()
    if key in shared.results:
        return Ticket(shared.results[key], done=True)
    mine: dict[tuple[str, bool], tuple[tuple, Ticket]] = st.session_state.setdefault("streams", {})
    asked, ticket = mine.get((channel, jobs), (None, None))
    if asked != key or ticket is None or ticket.replaced:
        return None
    _keep(key, ticket)
    return ticket


def _keep(key: tuple, ticket: Ticket) -> None:
    """Remember a whole answer for all sessions."""
    lasting = bool(ticket.events) and "file" not in ticket.events[-1]  # files are cleared away in time
    if ticket.done and lasting and not ticket.replaced:
        # The last of some answers says all that the ones before it said.
        alone = key[2] in ("evaluate", "versus", "explain")
        cache.shared().remember(key, ticket.events[-1:] if alone else ticket.events)


def forget(view: View, wanted: tuple) -> None:
    """Let go of an answer whose files were cleared away."""
    cache.shared().results.pop(_content(view, wanted), None)
    st.session_state.pop("streams", None)


def stop(channel: str) -> None:
    """Cancel what this session has on a channel."""
    cache.shared().worker.cancel(cache.session(), channel)
    st.session_state.get("streams", {}).pop((channel, False), None)


def _content(view: View, wanted: tuple) -> tuple:
    return (view.info.fingerprint, view.info.data, *wanted)


def accuracy(view: View) -> tuple[Tried, Ticket | None]:
    """The current plan's point in the history, with the newest estimate, and the ticket that brings more."""
    point = _tried(view)
    if view.info.data is None or view.info.weights == "random":
        return point, None
    recipe = to_recipe(state.current().plan)
    ticket = stream(view, "live", {"kind": "evaluate", "recipe": recipe}, ("evaluate", str(recipe)))
    if ticket.last and "n" in ticket.last:
        point.estimate = _ESTIMATE.validate_python(ticket.last)
    return point, ticket


def _tried(view: View) -> Tried:
    """The current setting's point, moved to the end of the history; a new one if it was not tried before."""
    history: list[Tried] = st.session_state.history
    point = next((p for p in history if p.setting == state.current()), None)
    if point is None:
        number = max((p.number for p in history), default=-1) + 1
        point = Tried(number, state.current(), view.cost.total)
        # A move that was replaced before its first images came leaves no point, unless it was pinned.
        pinned = list(st.session_state.pins.values())
        st.session_state.history = [*(p for p in history if p.estimate or p in pinned), point][-state.HISTORY :]
    return point


def curve(view: View) -> tuple[list[dict[str, Any]], Ticket | None]:
    """The current criterion's rows over global ratios: precomputed where they exist, else streamed."""
    plan = state.current().plan
    rows = [] if view.facts else cache.precomputed_rows(view.info.name, plan)
    if rows or view.info.data is None or view.info.weights == "random":
        return rows, None
    if plan.granularity == "nm":
        return [], None  # a pattern has no ratio to vary
    recipe = to_recipe(replace(plan, ratio=0.0, budget=None, overrides=(), protected=()))
    # A large model's curve is judged on fewer images: it must not keep the machine busy for hours.
    images = max(_CURVE_IMAGES, int(_CURVE_MACS / view.cost.total.macs / len(CURVE_RATIOS)))
    request = {"kind": "curve", "recipe": recipe, "ratios": CURVE_RATIOS, "limit": images}
    ticket = stream(view, "background", request, ("curve", str(request)))
    return ticket.events, ticket
