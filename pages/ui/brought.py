"""Models that people bring: the picker's part for files, what such a model is called, and where it lies.

A setting's model is "upload:TOKEN" or "file:PATH", either with "@ARCHITECTURE" behind it where the weights do not tell
it. Only `place` turns that into a path, for this session's own uploads and for files under the allowed roots.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.typing import UploadedFile

from dimap_core.catalogue import architectures
from dimap_core.errors import DataError
from dimap_core.roots import allowed
from dimap_core.uploads import PREFIX, Upload, little_room, room

from . import cache, state

FILE = "file:"
TYPES = ("safetensors", "pth", "pt", "bin", "zip")
LARGEST = 2048  # MiB of one uploaded checkpoint
SUFFIX = ".checkpoint"  # of the files kept, which tells them from uploaded images


def is_brought(model: str) -> bool:
    """Whether a setting's model is a file."""
    return model.startswith((PREFIX, FILE))


def place(model: str) -> str:
    """What the worker is asked to open; raises DataError for an upload that is not this session's and for a file that
    may not be read."""
    what, architecture = _split(model)
    if what.startswith(PREFIX):
        return _asked(f"{FILE}{cache.shared().uploads.find(cache.session(), what).path}", architecture)
    if what.startswith(FILE):
        return _asked(f"{FILE}{allowed(what.removeprefix(FILE))}", architecture)
    return model


def shown(model: str) -> str:
    """What a model is called on screen, in recipes and in names of downloads."""
    what, architecture = _split(model)
    if what.startswith(PREFIX):
        found = next((one for one in cache.shared().uploads.of(cache.session()) if _model(one) == what), None)
        return _asked(found.name if found else "uploaded file", architecture)
    return _asked(Path(what.removeprefix(FILE)).name, architecture) if what.startswith(FILE) else model


def refused(message: str, kind: str, setting: state.Setting) -> None:
    """After a model was refused: keep what is needed to offer ways on."""
    unclear = kind in ("UnsupportedModel", "CheckpointError") and is_brought(setting.model)
    lacking = kind in ("Offline", "UnsupportedModel") and "random" in message
    st.session_state.ways = (setting, "random" if lacking else "architecture" if unclear else "")


def ways_on() -> None:
    """Under a notice about a model that could not be opened: what can be done instead, one click away."""
    setting, way = st.session_state.get("ways", (None, ""))
    if setting is None or not st.session_state.notice:
        return
    if way == "random":
        with st.container(horizontal=True):
            st.button(
                "Count with random weights", key="way_random", on_click=_go, icon=":material/casino:",
                args=(replace(setting, weights="random"),),
                help="Params, FLOPs and what a cut removes are right with any weights; accuracy is not measured.",
            )  # fmt: skip
            st.button("Open a checkpoint file", key="way_file", on_click=_open_files, icon=":material/upload_file:")
    elif way == "architecture":
        st.selectbox(
            "Open it as", architectures(), None, key="way_architecture", on_change=_as_architecture, args=(setting,),
            placeholder="choose or type an architecture", accept_new_options=True,
        )  # fmt: skip


def controls() -> None:
    """The sidebar's part: upload a file, or go back to one."""
    opened = st.session_state.get("files_open", False) or is_brought(state.current().model)
    key = f"w_file-{st.session_state.get('files_taken', 0)}"
    most = room(LARGEST)
    with st.expander("Your own checkpoint", icon=":material/upload_file:", expanded=opened):
        if most < LARGEST:
            st.warning(little_room(most))
        st.file_uploader(
            "Checkpoint file", TYPES, key=key, on_change=_uploaded, args=(key,), max_upload_size=max(1, most),
            help="safetensors, a state dict of PyTorch (.pth, .pt, .bin), or the zip that the Export page gives. "
            "Nothing in it is executed. It is deleted when you close this page.",
        )  # fmt: skip
        uploads = [upload for upload in cache.shared().uploads.of(cache.session()) if _is_model(upload)]
        kept = {_model(upload): f"{number}. {upload.name}" for number, upload in enumerate(uploads, 1)}
        current, architecture = _split(state.current().model)
        if kept:
            names = list(kept)
            chosen = names.index(current) if current in names else None
            st.selectbox(
                "Uploaded", names, chosen, key=f"w_kept-{len(names)}-{chosen}", format_func=kept.__getitem__,
                on_change=_reopen, args=(f"w_kept-{len(names)}-{chosen}",), placeholder="open one again",
            )  # fmt: skip
        if is_brought(current):
            known = architectures()
            options = known if architecture in ("", *known) else (*known, architecture)
            st.selectbox(
                "Its architecture", options, options.index(architecture) if architecture else None,
                key=f"w_architecture-{architecture}", placeholder="found from its weights", accept_new_options=True,
                on_change=_rename, args=(f"w_architecture-{architecture}",),
                help="Weights of the same shapes can belong to several architectures; if the one found is wrong, "
                "choose.",
            )  # fmt: skip


def _split(model: str) -> tuple[str, str]:
    """("upload:TOKEN", "ARCHITECTURE" or ""); a path may hold an @ of its own, an architecture no slash or dot."""
    what, _, architecture = model.rpartition("@")
    named = what and is_brought(model) and not set("/.") & set(architecture)
    return (what, architecture) if named else (model, "")


def _asked(what: str, architecture: str) -> str:
    return f"{what}@{architecture}" if architecture else what


def _model(upload: Upload) -> str:
    return f"{PREFIX}{upload.token}"


def _is_model(upload: Upload) -> bool:
    return upload.path.suffix == SUFFIX


def _uploaded(key: str) -> None:
    file = st.session_state[key]
    if not isinstance(file, UploadedFile):
        return  # taken away again
    try:
        upload = cache.shared().uploads.add(cache.session(), file.name, file, SUFFIX)
    except DataError as error:
        st.session_state.notice = str(error)
    else:
        _go(_as_it_is(_model(upload)))
    # Streamlit holds uploads in memory; now that the file is on disk its copy goes, and the widget begins anew.
    context = get_script_run_ctx()
    if context is not None:
        context.uploaded_file_mgr.remove_file(context.session_id, file.file_id)
    st.session_state.files_taken = st.session_state.get("files_taken", 0) + 1


def _reopen(key: str) -> None:
    if st.session_state[key]:
        _go(_as_it_is(st.session_state[key]))


def _rename(key: str) -> None:
    what, _ = _split(state.current().model)
    _go(_as_it_is(_asked(what, (st.session_state[key] or "").strip())))


def _as_architecture(setting: state.Setting) -> None:
    if st.session_state.way_architecture:
        _go(_as_it_is(_asked(_split(setting.model)[0], st.session_state.way_architecture.strip())))


def _open_files() -> None:
    st.session_state.files_open = True


def _as_it_is(model: str) -> state.Setting:
    """The current plan on another model; its layers have other names."""
    return state.Setting(model, "pretrained", replace(state.current().plan, protected=()))


def _go(setting: state.Setting) -> None:
    st.session_state.ways = (None, "")
    state.go(setting)
