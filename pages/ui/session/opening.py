"""Opening: a setting's model and images, asked for once for everyone, refused with a reason.

Next door: `opened` is what the current setting has once its model is open, `own_models` says where a file lies.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

import streamlit as st

from dimap_core.criteria import criterion as criterion_info, images_read
from dimap_core.data import FOLDER, ZIP, ImageSource, permitted
from dimap_core.plan import to_recipe
from dimap_core.service import Ticket, index
from dimap_core.types import UPLOAD, Anatomy, DataError, Granularity, PruningPlan

from . import cache, own_models, state
from .setting import Setting

_IMAGES = ("data", "count", "draw", "classes", "split")  # fields of a setting


def folder(setting: Setting, criterion: str | None = None) -> str | None:
    """The worker's folder for a model scored by the setting's (or another) criterion; None while it is on its way.

    A model that cannot be opened sends the session back to its last good setting, with the reason as a notice.
    """
    try:
        key = key_of(setting, criterion)
    except DataError as error:
        state.refuse(str(error), _IMAGES)
        st.rerun()
    shared = cache.shared()
    ticket = shared.opening.get(key)
    gone = ticket is not None and not ticket.replaced and _gone(ticket, *key[2:6])
    if gone:
        st.session_state.reopening = key
        st.toast("Made room for newer models; opening this one again.", icon=":material/memory:")
    if ticket is None or ticket.replaced or gone:
        scored = PruningPlan(criterion=key[2], seed=key[3], granularity=key[4], images=key[5] or PruningPlan.images)
        request = {"kind": "open", **model_request(setting), "recipe": to_recipe(scored)}
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
    return ticket.last.get("folder") if ticket.done and ticket.last else None


def leave(setting: Setting) -> None:
    """Wait no longer for a setting's model: back to the last good setting. A download goes on, since the model is named
    again sooner or later."""
    cache.shared().worker.cancel(cache.session(), "live")
    state.refuse(
        f"The download of {own_models.shown(setting.model)} goes on; name the model again to see how far it is.",
        ("model", "weights", *_IMAGES),
    )


def model_request(setting: Setting) -> dict[str, Any]:
    """What a worker or a job needs to open the setting's model with its images."""
    return {"model": place(setting), "weights": setting.weights, "images": images(setting)}


def place(setting: Setting) -> str:
    """What the worker is to open; a file that this session may not read is refused."""
    try:
        return own_models.place(setting.model)
    except DataError as error:
        _refuse(setting, str(error), "DataError")


def _refuse(setting: Setting, message: str, kind: str) -> NoReturn:
    """Back to the last good setting, with the reason and ways on."""
    # A formula that gives no scores here, or a criterion that reads images which are not here.
    bad = ("plan",) if kind == "InvalidPlan" or setting.absent else ("model", "weights")
    state.refuse(message, _IMAGES if kind == "DataError" and setting.data else bad)
    _keep_ways_on(message, kind, setting)
    st.rerun()


def _keep_ways_on(message: str, kind: str, setting: Setting) -> None:
    """After a model was refused: keep what is needed to offer ways on."""
    unclear = kind in ("UnsupportedModel", "CheckpointError") and setting.name.brought
    lacking = kind in ("Offline", "UnsupportedModel") and "random" in message
    st.session_state.ways = (setting, "random" if lacking else "architecture" if unclear else "")


def _fetched(setting: Setting) -> bool:
    """Whether a model's weights may have to be downloaded first."""
    known = setting.model in cache.cards() or setting.name.brought
    return setting.weights == "pretrained" and not known


def images(setting: Setting) -> dict[str, Any] | None:
    """The setting's images as the worker is asked for them: paths under the allowed roots and this session's uploads;
    None for the model's own. Raises DataError for any other path."""
    source, title = setting.data, ""
    if not source:
        return None
    if source.startswith(UPLOAD):
        upload = cache.shared().uploads.find(cache.session(), source)
        source, title = f"{ZIP}{upload.path}", upload.name
    for prefix in (FOLDER, ZIP):
        if setting.data.startswith(prefix):
            source = f"{prefix}{permitted.allowed(setting.data.removeprefix(prefix))}"
    return ImageSource(source, setting.count, setting.draw, setting.classes, title, setting.split).request()


def look_again() -> None:
    """List the current setting's images anew: files may have changed."""
    mine, opening = json.dumps(images(state.current())), cache.shared().opening
    for key in [key for key in list(opening) if key[6] == mine]:  # other sessions open models meanwhile
        opening.pop(key, None)


def ready_facts(setting: Setting) -> dict[str, Any] | None:
    """What is told of the setting's chosen images once they are listed; nothing is asked for."""
    place = ready_folder(setting)
    return None if place is None else cache.facts(place)


def ready_folder(setting: Setting) -> str | None:
    """The worker's folder for the setting's model if it is there already; nothing is asked for or refused."""
    try:
        key = key_of(setting, None)
    except DataError:
        return None
    ticket = cache.shared().opening.get(key)
    if ticket is None or not ticket.done or ticket.replaced or not ticket.last or _gone(ticket, *key[2:6]):
        return None
    return str(ticket.last["folder"])


def anatomy(setting: Setting) -> Anatomy | None:
    """The parts of the setting's model once it is open, by whatever it was scored; nothing is asked for."""
    for key, ticket in list(cache.shared().opening.items()):
        loaded = ticket.events[-1].get("folder") if ticket.done and ticket.events else None
        if key[:2] == (setting.model, setting.weights) and loaded and Path(loaded, "anatomy.json").exists():
            return cache.model(loaded)[1]
    return None


def needs_images(key: str) -> bool:
    """Whether a criterion reads training images before it can score."""
    return criterion_info(key).reads_images


def _gone(ticket: Ticket, criterion: str, seed: int, granularity: str, images: int) -> bool:
    """Whether the worker made room for newer scores since."""
    return ticket.done and not index.has_scores(Path(ticket.events[-1]["folder"]), criterion, seed, granularity, images)


def stop_reading(wanted: tuple) -> None:
    """End what this session had read from images for a criterion that is no longer looked at."""
    key, ticket = st.session_state.get("reading", (wanted, None))
    if ticket is not None and key != wanted and ticket.running:
        cache.shared().worker.cancel(cache.session(), "live")


def key_of(setting: Setting, criterion: str | None) -> tuple[str, str, str, int, Granularity, int, str]:
    """What the scores of a setting depend on, and the images it is judged by."""
    plan, chosen = setting.plan, criterion or setting.plan.criterion
    read, judged = images_read(chosen, plan.images), json.dumps(images(setting))
    return setting.model, setting.weights, chosen, plan.seed, plan.scored, read, judged
