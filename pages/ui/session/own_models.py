"""Models that people bring: what such a model is called, where it lies, and how the session goes over to one.

A setting's model is "upload:TOKEN" or "file:PATH", either with "@ARCHITECTURE" behind it where the weights do not tell
it. Only `place` turns that into a path, for this session's own uploads and for files under the allowed roots.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import streamlit as st

from dimap_core.data import permitted
from dimap_core.service import PREFIX, Upload

from . import cache, state
from .setting import FILE, Setting


def is_own(model: str) -> bool:
    """Whether a setting's model is a file."""
    return model.startswith((PREFIX, FILE))


def place(model: str) -> str:
    """What the worker is asked to open; raises DataError for an upload that is not this session's and for a file that
    may not be read."""
    what, architecture = split(model)
    if what.startswith(PREFIX):
        return joined(f"{FILE}{cache.shared().uploads.find(cache.session(), what).path}", architecture)
    if what.startswith(FILE):
        return joined(f"{FILE}{permitted.allowed(what.removeprefix(FILE))}", architecture)
    return model


def shown(model: str) -> str:
    """What a model is called on screen, in recipes and in names of downloads."""
    what, architecture = split(model)
    if what.startswith(PREFIX):
        found = next((one for one in cache.shared().uploads.of(cache.session()) if name_of(one) == what), None)
        return joined(found.name if found else "uploaded file", architecture)
    return joined(Path(what.removeprefix(FILE)).name, architecture) if what.startswith(FILE) else model


def split(model: str) -> tuple[str, str]:
    """("upload:TOKEN", "ARCHITECTURE" or ""); a path may hold an @ of its own, an architecture no slash or dot."""
    what, _, architecture = model.rpartition("@")
    named = what and is_own(model) and not set("/.") & set(architecture)
    return (what, architecture) if named else (model, "")


def joined(what: str, architecture: str) -> str:
    """What `split` takes apart."""
    return f"{what}@{architecture}" if architecture else what


def name_of(upload: Upload) -> str:
    """An upload as a setting's model or images."""
    return f"{PREFIX}{upload.token}"


def switch(setting: Setting) -> None:
    """Go over to a setting; ways on from a model that was refused are no longer offered."""
    st.session_state.ways = (None, "")
    state.go(setting)


def open_as(model: str) -> None:
    """Go over to another model with the current plan; its layers have other names."""
    switch(Setting(model, "pretrained", replace(state.current().plan, protected=())))
