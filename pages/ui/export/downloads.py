"""Files that the second worker has to make first: asked for by a button, then offered without a rerun."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from dimap_core.plan import to_recipe
from dimap_core.service import Ticket

from ..look import formats
from ..parts import waiting
from ..session import View, polling, requests, state

_CALLED = {"onnx": "ONNX"}


def prepared(view: View, form: str, channel: str, name: str, mime: str) -> None:
    """A button that asks for the current cut in that form, and once it is made the download."""
    recipe = to_recipe(state.current().plan)
    wanted = (view.info.fingerprint, str(recipe))
    asked = st.session_state.setdefault("exports", {})
    if asked.get(form) != wanted:
        if not st.button(f"Make the {_CALLED.get(form, form)} file", key=f"make_{form}", icon=":material/build:"):
            return
        asked[form] = wanted
    request = {"kind": "export", "format": form, "recipe": recipe}
    ticket = requests.stream(view, channel, request, slow=True)
    if ticket.running:
        polling.polled(_wait)(ticket)
        return
    made = Path(ticket.last["file"]) if ticket.last and "file" in ticket.last else None
    if ticket.error or made is None or not made.exists():
        asked.pop(form)
        st.error(formats.plain(ticket.error or "The file was cleared away; make it again."))
        return
    size = formats.count(made.stat().st_size) + "B"
    label = f"Download {name} ({size})"
    st.download_button(label, made.read_bytes, name, mime, key=f"get_{form}", on_click="ignore", type="primary")


def _wait(ticket: Ticket) -> None:
    polling.ended(ticket)
    waiting.doing(ticket, "Starting a process for it")
