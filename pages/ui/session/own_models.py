"""Models that people bring: what such a model is called, where it lies, and how the session goes over to one.

Only `place` turns that into a path, for this session's own uploads and for files under the allowed roots.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import streamlit as st

from dimap_core.data import permitted
from dimap_core.service import Upload
from dimap_core.types import ModelName, is_file, untagged

from . import cache, state
from .setting import Setting


def place(model: str) -> str:
    """What the worker is asked to open; raises DataError for an upload that is not this session's and for a file that
    may not be read."""
    # An @ may be the path's own: whatever path is looked at for that has to be one that may be read.
    name = ModelName.parse(model, lambda path: is_file(str(permitted.allowed(path))))
    if name.kind == "upload":
        path = cache.shared().uploads.find(cache.session(), name.what).path
    elif name.kind == "file":
        path = permitted.allowed(name.what)
    else:
        return model
    return str(ModelName("file", str(path), name.architecture))


def shown(model: str) -> str:
    """What a model is called on screen, in recipes and in names of downloads; what is said behind a ? is not told."""
    name = ModelName.parse(model)
    if name.kind == "upload":
        found = (one.name for one in cache.shared().uploads.of(cache.session()) if one.token == name.what)
        called = next(found, "uploaded file")
    else:
        called = Path(name.what).name if name.kind == "file" else name.what
    return str(ModelName("plain", called, name.architecture.partition("?")[0]))


def name_of(upload: Upload) -> str:
    """An upload as a setting's model or images."""
    return str(ModelName("upload", upload.token))


def switch(setting: Setting) -> None:
    """Go over to a setting; ways on from a model that was refused are no longer offered."""
    st.session_state.ways = (None, "")
    state.go(setting)


def open_as(model: str) -> None:
    """Go over to another model with the current plan; its layers have other names."""
    switch(Setting(model, "pretrained", replace(state.current().plan, protected=())))


def said(setting: Setting) -> tuple[str, dict[str, str]]:
    """(architecture, what else is said, by key) of a setting's file."""
    name, _, query = setting.name.architecture.partition("?")
    return name, dict(part.split("=", 1) for part in query.split("&") if "=" in part)


def say(setting: Setting, architecture: str | None = None, **more: str) -> None:
    """Go over to the same file, with another architecture or more said of what its weights do not tell; "" takes back
    what was said."""
    name, before = said(setting)
    name = name if architecture is None else architecture
    now = {key: value for key, value in (before | more).items() if value}
    query = "&".join(f"{key}={value}" for key, value in now.items())
    read_as(setting, f"{name}?{query}" if query else name)


def read_as(setting: Setting, architecture: str) -> None:
    """Go over to the same file read as that architecture; "": as its weights tell."""
    open_as(str(replace(setting.name, architecture=untagged(architecture.strip()))))
