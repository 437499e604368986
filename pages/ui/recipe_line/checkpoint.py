"""The model picker's part for files: upload one, go back to one, say what architecture it is."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.typing import UploadedFile

from dimap_core.models import architectures
from dimap_core.service import Upload, little_room, room_left
from dimap_core.types import DataError

from ..session import cache, own_models, state
from . import reading

_LARGEST = 2048  # MiB of one uploaded checkpoint
_SUFFIX = ".checkpoint"  # of the files kept, which tells them from uploaded images


def draw() -> None:
    """The model chip's part: upload a file, or go back to one."""
    name = state.current().name
    opened = st.session_state.get("files_open", False) or name.brought or name.repository
    key = f"w_file-{st.session_state.get('files_taken', 0)}"
    most = room_left(_LARGEST)
    with st.expander("Your own checkpoint", icon=":material/upload_file:", expanded=opened):
        if most < _LARGEST:
            st.warning(little_room(most))
        st.file_uploader(
            "Checkpoint file", key=key, on_change=_uploaded, args=(key,), max_upload_size=max(1, most),
            help="safetensors, what PyTorch saves (.pth, .pth.tar, .ckpt), or the zip that the Export page gives: "
            "its content decides, not its name. Nothing in it is executed. It is deleted when you close this page.",
        )  # fmt: skip
        uploads = [upload for upload in cache.shared().uploads.of(cache.session()) if _is_model(upload)]
        kept = {own_models.name_of(upload): f"{number}. {upload.name}" for number, upload in enumerate(uploads, 1)}
        current, architecture = str(replace(name, architecture="")), name.architecture
        if kept:
            names = list(kept)
            chosen = names.index(current) if current in names else None
            st.selectbox(
                "Uploaded", names, chosen, key=f"w_kept-{len(names)}-{chosen}", format_func=kept.__getitem__,
                on_change=_reopen, args=(f"w_kept-{len(names)}-{chosen}",), placeholder="open one again",
            )  # fmt: skip
        if name.brought or name.repository:
            _architecture(architecture.partition("?")[0])
            reading.draw()


def _architecture(said: str) -> None:
    known = architectures()
    options = known if said in ("", *known) else (*known, said)
    st.selectbox(
        "Its architecture", options, options.index(said) if said else None,
        key=f"w_architecture-{said}", placeholder="found from its weights", accept_new_options=True,
        on_change=_rename, args=(f"w_architecture-{said}",),
        help="Weights of the same shapes can belong to several architectures; if the one found is wrong, "
        "choose. What no weight tells goes behind a ?, with a name or without: ?img_size=384&num_heads=6",
    )  # fmt: skip


def _is_model(upload: Upload) -> bool:
    return upload.path.suffix == _SUFFIX


def _uploaded(key: str) -> None:
    file = st.session_state[key]
    if not isinstance(file, UploadedFile):
        return  # taken away again
    try:
        upload = cache.shared().uploads.add(cache.session(), file.name, file, _SUFFIX)
    except DataError as error:
        st.session_state.notice = str(error)
    else:
        own_models.open_as(own_models.name_of(upload))
    # Streamlit holds uploads in memory; now that the file is on disk its copy goes, and the widget begins anew.
    context = get_script_run_ctx()
    if context is not None:
        context.uploaded_file_mgr.remove_file(context.session_id, file.file_id)
    st.session_state.files_taken = st.session_state.get("files_taken", 0) + 1


def _reopen(key: str) -> None:
    if st.session_state[key]:
        own_models.open_as(st.session_state[key])


def _rename(key: str) -> None:
    chosen = st.session_state[key] or ""
    own_models.read_as(state.current(), chosen) if "?" in chosen else own_models.say(state.current(), chosen)
