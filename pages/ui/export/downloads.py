"""Files that the second worker has to make first: asked for by a button, then offered without a rerun."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from dimap_core.plan import to_recipe
from dimap_core.service import Ticket

from ..look import formats
from ..parts import waiting
from ..session import View, polling, requests, state

_CALLED = {"onnx": "ONNX", "source": "same-layout"}


@dataclass(frozen=True)
class File:
    """A file to be made: its `form` (one of each is offered), the channel it is asked for on, its name and type."""

    form: str
    channel: str
    name: str
    mime: str


def prepared(view: View, file: File) -> None:
    """A button that asks for the current cut in that form, and once it is made the download."""
    request = {"kind": "export", "format": file.form, "recipe": to_recipe(state.current().plan)}
    offered(view, file, request)


def offered(view: View, file: File, request: dict[str, Any], slow: bool = True) -> None:
    """A button that asks for a file, and once it is made the download; `slow`: by the second worker."""
    wanted = (view.info.fingerprint, str(request))
    asked, form = st.session_state.setdefault("exports", {}), file.form
    if asked.get(form) != wanted:
        if not st.button(f"Make the {_CALLED.get(form, form)} file", key=f"make_{form}", icon=":material/build:"):
            return
        asked[form] = wanted
    ticket = requests.stream(view, file.channel, request, slow=slow)
    if ticket.running:
        polling.polled(_wait)(ticket)
        if not slow and st.button("Stop", key=f"stop_{form}"):
            requests.stop(file.channel)
            asked.pop(form)
            st.rerun()
        return
    found = ticket.last or {}
    made = Path(found["file"]) if "file" in found else None
    if ticket.error or made is None or not made.exists():
        asked.pop(form)
        st.error(formats.plain(ticket.error or "The file was cleared away; make it again."))
        return
    size = formats.count(made.stat().st_size) + "B"
    name = file.name if made.suffix in ("", Path(file.name).suffix) else f"{file.name}{made.suffix}"
    st.download_button(
        f"Download {name} ({size})",
        made.read_bytes,
        name,
        file.mime,
        key=f"get_{form}",
        on_click="ignore",
        type="primary",
    )
    if "said" in found:
        st.caption(formats.plain(found["said"]))


def _wait(ticket: Ticket) -> None:
    polling.ended(ticket)
    waiting.doing(ticket, "Starting a process for it")
