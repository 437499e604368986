"""What the model is judged by: the model's own set, a folder, a zip, a known set; how many; which class is which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
import streamlit as st

from dimap_core.data import DATASETS, FOLDER, MOST, PACKED, ZIP, image_set
from dimap_core.models import bundled
from dimap_core.service import little_room, room_left
from dimap_core.types import UPLOAD, DataError

from ..look import TERMS, formats
from ..session import Setting, cache, opening, state
from . import control

_MIB = 500  # of a zip: the browser's upload lies in memory until it is kept; larger ones are given as a path
_OUT = "left out"
_OWN = "own:"


def draw() -> None:
    """What the model is judged by, and on which of its images."""
    setting = state.current()
    options = _options(setting)
    shown = st.session_state.get("pending_source") or _kind(setting.data) or next(iter(options))
    options.setdefault(shown, shown[:40])
    st.selectbox(
        "Images", list(options), list(options).index(shown), format_func=options.get, help=TERMS["pictures"],
        **control.filled("w_source", shown, _source_changed),
    )  # fmt: skip
    if shown == FOLDER:
        path = setting.data.removeprefix(FOLDER).removeprefix(ZIP) if _kind(setting.data) == FOLDER else ""
        st.text_input(
            "Folder or file on this machine", path, placeholder="~/pets, one sub-folder a class",
            **control.filled("w_folder", path, _folder_changed),
        )  # fmt: skip
    if shown == UPLOAD:
        _upload()
    if setting.data:
        _amount(setting)
        _told(setting)


def _options(setting: Setting) -> dict[str, str]:
    """What can be chosen here: kind or name of a set -> label; the model's own set first.

    Its key changes with its label: the browser would go on showing the label that an option had.
    """
    spec = bundled(setting.model)
    mine = image_set(spec.data) if spec else None
    own = {f"{_OWN}{mine.key}": f"its own: {mine.label}"} if mine else {_OWN: "none"}
    if spec and spec.judged:
        own = {f"{_OWN}stored": "none, only what was measured beforehand"}
    ways = {FOLDER: "a folder on this machine", UPLOAD: "a file to upload"}
    known = {row.key: row.label for row in DATASETS if row.path}
    others = {} if spec else {row.key: row.label for row in DATASETS if row.load}
    return {**own, **ways, **known, **others}


def _kind(data: str) -> str:
    """The option that stands for a setting's images."""
    if data.startswith((FOLDER, ZIP)):
        return FOLDER
    return UPLOAD if data.startswith(UPLOAD) else data


def _source_changed() -> None:
    chosen = st.session_state.w_source or ""
    st.session_state.pending_source = chosen if chosen in (FOLDER, UPLOAD) else None
    if chosen not in (FOLDER, UPLOAD):
        _choose("" if chosen.startswith(_OWN) else chosen)


def _folder_changed() -> None:
    path = (st.session_state.w_folder or "").strip()
    if path:
        _choose(FOLDER + path)


def _choose(data: str) -> None:
    st.session_state.pending_source = None
    state.go(replace(state.current(), data=data, classes=(), split=""))


def _upload() -> None:
    """A file uploader that is new after every upload, so that the browser's copy leaves the server's memory."""
    number = st.session_state.setdefault("zips", 0)
    most = room_left(_MIB)
    if most < _MIB:
        st.warning(little_room(most))
    file = st.file_uploader(
        "Zip, tar, npz or parquet", list(PACKED), key=f"w_zip-{number}", max_upload_size=max(1, most)
    )
    if file is None:
        return
    st.session_state.zips = number + 1
    try:
        kept = cache.shared().uploads.add(cache.session(), file.name, file, ".zip")
    except DataError as error:
        st.session_state.notice = str(error)
    else:
        _choose(UPLOAD + kept.token)
    st.rerun()


def _amount(setting: Setting) -> None:
    left, right = st.columns(2, gap="xsmall")
    left.number_input(
        "At most", 2, MOST, setting.count, step=100, help=TERMS["count"],
        **control.filled("w_count", setting.count, _amount_changed),
    )  # fmt: skip
    right.number_input(
        "Seed", 0, 2**32 - 1, setting.draw, help=TERMS["draw"],
        **control.filled("w_draw", setting.draw, _amount_changed),
    )  # fmt: skip


def _amount_changed() -> None:
    count, seed = st.session_state.w_count, st.session_state.w_draw
    if count is not None and seed is not None:
        state.go(replace(state.current(), count=count, draw=seed))


def _told(setting: Setting) -> None:
    """How the images were chosen, and the classes they were given."""
    facts, same = opening.ready_facts(setting), (setting.model, setting.data)
    known, last = st.session_state.get("told", (None, None))
    if facts is None and known != same:
        return
    if facts is not None:
        st.session_state.told = same, facts
    # What was told last stays until the same files are listed again, so that the table does not close at every change.
    shown = facts or last
    notes = " ".join(shown["notes"]) if facts is not None else "Looking at the files …"
    st.caption(formats.plain(notes))
    _split(setting, shown.get("splits", ()))
    if not shown["rows"]:
        st.button("Look at the files again", on_click=opening.look_again, icon=":material/refresh:", width="stretch")
        return
    with st.expander("Folders and classes", icon=":material/category:", key="classes_shown"):
        _editor(setting, shown)
        st.button("Look at the files again", on_click=opening.look_again, icon=":material/refresh:", width="stretch")


def _split(setting: Setting, splits: Sequence[str]) -> None:
    """Which of several splits judges; "" in the setting is the first."""
    if len(splits) < 2:
        return
    now = next((name for name in splits if name.casefold() == setting.split.casefold()), splits[0])
    order = sorted(splits)
    st.selectbox(
        "Judged by", order, order.index(now), help=TERMS["split"], **control.filled("w_split", now, _split_changed)
    )


def _split_changed() -> None:
    chosen = st.session_state.w_split
    if chosen:
        state.go(replace(state.current(), split=chosen))


def _editor(setting: Setting, facts: dict[str, Any]) -> None:
    """The mapping as a table whose last column can be changed."""
    labels = [_OUT, *(f"{output}: {name}".removesuffix(": ")[:60] for output, name in enumerate(facts["outputs"]))]
    rows = facts["rows"]
    given = {row["folder"]: row["output"] for row in rows} | dict(setting.classes)
    known = {place - 1: label for place, label in enumerate(labels)}
    table = pd.DataFrame(
        {
            "class": [known.get(given[row["folder"]], _OUT) for row in rows],
            "folder": [row["folder"] for row in rows],
            "images": [row["files"] for row in rows],
        }
    )
    key = f"w_classes-{abs(hash((setting.data, setting.model, setting.classes)))}"
    st.data_editor(
        table, key=key, hide_index=True, column_order=("folder", "class", "images"), disabled=("folder", "images"),
        column_config={"class": st.column_config.SelectboxColumn("class of the model", options=labels, required=True)},
        on_change=_classes_changed, args=(key, labels, [row["folder"] for row in rows]), height=260,
    )  # fmt: skip


def _classes_changed(key: str, labels: list[str], folders: list[str]) -> None:
    edits = dict(state.current().classes)
    for row, changed in st.session_state[key]["edited_rows"].items():
        if changed.get("class") in labels:
            edits[folders[int(row)]] = labels.index(changed["class"]) - 1
    state.go(replace(state.current(), classes=tuple(sorted(edits.items()))))
