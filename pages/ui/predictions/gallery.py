"""The gallery of the Predictions page: images with both answers, changed ones first; filters, paging, picking."""

from __future__ import annotations

import streamlit as st

from dimap_core.data import thumbnail
from dimap_core.measure import Outcomes, predictions
from dimap_core.types import LabelledImages, is_agreement

from ..look import TERMS

PAGE = 12  # images at a time
THUMBNAIL = 120
"""Pixels; as wide as they are shown at most. The address holds the image: one on the server may be gone before the
browser asks for it, as the gallery changes several times a second while answers stream in."""
SHOWN = {
    "all": "all answers",
    "changed": "changed",
    "broke": "broke: right, now wrong",
    "fixed": "fixed: wrong, now right",
    "moved": "wrong, now wrong in another way",
    "kept": "unchanged",
}
BADGES = {
    "broke": ":orange-badge[broke]",
    "fixed": ":green-badge[fixed]",
    "moved": ":blue-badge[moved]",
    "kept": ":gray-badge[same]",
}


def draw(found: Outcomes, data: LabelledImages) -> None:
    """Filters, then a page of the images that pass them."""
    st.subheader("Images, changed answers first", anchor=False, help=f"{TERMS['flipped']} {TERMS['margin']}")
    places = predictions.filtered(found, data, *_filters(data))
    if not len(places):
        st.info(_nothing(found))
        return
    page = _page(len(places))
    with st.container(horizontal=True, gap="xsmall", key="gallery"):
        for place in places[page * PAGE : (page + 1) * PAGE]:
            _card(found, data, int(place))
    st.download_button(
        "All answers as CSV", lambda: predictions.table(found, data).to_csv(index=False), "answers.csv", "text/csv",
        key="answers_csv", on_click="ignore",
    )  # fmt: skip


def _filters(data: LabelledImages) -> tuple[str | None, int | None, dict[str, int]]:
    """What is asked for: direction, class, values of cues; their keys name the data set, whose classes they hold."""
    with st.container(horizontal=True, gap="xsmall", vertical_alignment="bottom", key="filters"):
        direction = st.selectbox(
            "Show", list(SHOWN), key="gallery_direction", format_func=SHOWN.get, on_change=_first_page, width=190,
            persist_state="session", help=TERMS["flipped"],
        )  # fmt: skip
        with st.popover("Only some classes"):
            label = _one_of("Class", "class", data.class_names, data.name)
            cues = {cue: _one_of(cue.capitalize(), cue, names, data.name) for cue, names in data.cue_names.items()}
    chosen = {cue: value for cue, value in cues.items() if value is not None}
    return None if direction in (None, "all") else direction, label, chosen


def _one_of(title: str, what: str, names: tuple[str, ...], data: str) -> int | None:
    """The chosen one of `names`, None for any."""
    place = st.selectbox(
        title, range(-1, len(names)), key=f"gallery_{what}_{data}", on_change=_first_page,
        format_func=lambda place: "any" if place < 0 else names[place], persist_state="session",
    )  # fmt: skip
    return None if place is None or place < 0 else place


def _first_page() -> None:
    st.session_state.gallery_page = 0


def _page(count: int) -> int:
    """The page that is shown, and the buttons to turn it."""
    last = (count - 1) // PAGE
    page = st.session_state.gallery_page = min(st.session_state.get("gallery_page", 0), last)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Previous", key="gallery_previous", on_click=_turn, args=(-1,), disabled=page == 0)
        st.button("Next", key="gallery_next", on_click=_turn, args=(1,), disabled=page == last)
        shown = f"{page * PAGE + 1:,} to {min((page + 1) * PAGE, count):,} of {count:,}"
        st.caption(f"{shown}. Click an answer to see why.", width="content")
    return page


def _turn(by: int) -> None:
    st.session_state.gallery_page += by


def _card(found: Outcomes, data: LabelledImages, place: int) -> None:
    """One image with both answers; its button picks it."""
    image, direction = int(found.images[place]), str(found.directions[place])
    before, after = (data.class_names[answers.classes[place]] for answers in (found.dense, found.pruned))
    label = data.class_names[found.labels[place]]
    said = "no label" if is_agreement(data.name) else f"labelled {label}"
    with st.container(gap="xsmall", border=True, key=f"card_{image}"):
        st.image(thumbnail(data.images[image], THUMBNAIL), alt=f"Image {image + 1}, {said}", width="stretch")
        text = _change(before, after) if before != after else before
        looked_at = ":material/visibility:" if st.session_state.get("picked") == image + 1 else None
        st.button(text, key=f"pick_{image}", icon=looked_at, on_click=pick, args=(image,), width="stretch")
        sure = [100 * answers.confidence[place] for answers in (found.dense, found.pruned)]
        truth = "" if before == label or is_agreement(data.name) else f"label {label}  \n"
        st.caption(f"{BADGES[direction]}  \n{truth}{sure[0]:.0f} → {sure[1]:.0f} % sure")


def _change(before: str, after: str) -> str:
    """Words that both names end with are said once: "1 on rows", "4 on rows" -> "1 → 4 on rows"."""
    first, second = before.split(), after.split()
    same = 0
    while same < min(len(first), len(second)) - 1 and first[-1 - same] == second[-1 - same]:
        same += 1
    return f"{' '.join(first[: len(first) - same])} → {after}"


def pick(image: int) -> None:
    """Explain that image from now on."""
    st.session_state.picked = image + 1


def _nothing(found: Outcomes) -> str:
    asked = st.session_state.get("gallery_direction")
    if asked in ("changed", "broke", "fixed", "moved") and not found.flipped.any():
        return "No answer changed, so there is nothing to show here. Cut more, or look at all answers."
    return "No image passes these filters; choose “any” in one of them."
