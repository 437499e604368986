"""The story as a report: made by the worker, which judges all kept cuts, and offered as one file.

Next door: `downloads` offers files, `stories` saves the story itself.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from dimap_core.studies import story as core
from dimap_core.types import PruningError

from ..look import formats
from ..session import View, opening, own_models, story
from ..story import keep
from . import downloads

FORMS = {"Web page": ("html", "text/html"), "Markdown": ("md", "application/zip"), "CSV": ("csv", "text/csv"),
         "LaTeX": ("tex", "application/x-tex")}  # fmt: skip
_SAYS = {
    "html": "One HTML file that opens without this program and without a network: send it, print it.",
    "md": "A zip of Markdown, SVG and PNG, to go on writing.",
    "csv": "A row a cut with all numbers.",
    "tex": "One table for LaTeX (booktabs).",
}


def draw(view: View) -> None:
    """The form, what it is good for, and the button."""
    told = keep.told()
    st.subheader("Report", anchor=False)
    what = f"your {len(told)} kept cuts" if len(told) > 1 else f"the cut “{formats.plain(told[0].cut.name)}”"
    st.markdown(f"All that can be said of {what}: numbers with intervals, maps, images that changed, how to repeat it.")
    form, mime = FORMS[
        st.segmented_control("As", list(FORMS), default="Web page", key="report_form", required=True,
                             persist_state="session") or "Web page"
    ]  # fmt: skip
    st.caption(_SAYS[form])
    try:
        request = _request(told, form)
    except PruningError as error:
        st.error(formats.plain(str(error)))
        return
    name = f"report.{'zip' if form == 'md' else form}"
    downloads.offered(view, downloads.File("report", "report", name, mime), request, slow=False)


def _request(told: tuple[story.Kept, ...], form: str) -> dict[str, Any]:
    """What the worker writes: the story, what its cuts are opened by, and what is called how; raises PruningError where
    this session may not read a model or images."""
    settings = [one.setting for one in told]
    whole = core.Story(tuple(one.cut for one in told), st.session_state.story_title)
    names = {one.model: own_models.shown(one.model) for one in settings if one.name.brought}
    asked = [opening.model_request(one) for one in settings]
    names |= {one.data: each["images"]["title"] for one, each in zip(settings, asked, strict=True)
              if each["images"] and each["images"]["title"]}  # fmt: skip
    return {"kind": "report", "format": form, "story": core.to_file(whole), "opens": asked, "names": names}
