"""Why did the answer change? One picked image: attributions of the dense and the pruned model side by side."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from dimap_core.data import thumbnail
from dimap_core.figures import explanation_chart
from dimap_core.measure import Outcomes
from dimap_core.plan import to_recipe
from dimap_core.studies import MethodInfo, explanations, in_words
from dimap_core.types import LabelledImages, is_agreement

from ..look import TERMS, formats, theme
from ..parts import picked, waiting
from ..session import View, cache, polling, requests, state
from . import gallery

FEW = 16  # places; a rank correlation over fewer is mostly chance


def draw(view: View, found: Outcomes, data: LabelledImages, streaming: bool) -> None:
    """Which image, what both models say of it, and why."""
    st.subheader("Why? One image, explained", anchor=False, help=TERMS["explanation"])
    place = _picked(found, data)
    label, before, after = (int(a[place]) for a in (found.labels, found.dense.classes, found.pruned.classes))
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="picked_image"):
        image = int(found.images[place])
        side = 76 if state.current().drawn else gallery.THUMBNAIL  # a photograph has more to be seen
        st.image(thumbnail(data.images[image], gallery.THUMBNAIL), alt=f"Image {image + 1}", width=side)
        st.markdown(_facts(found, data, place), width="content")
    info = _method(view)
    target = _target(data, label, before, after) if info.of_class else before
    if streaming:
        st.info("The explanation follows when all images are in.", icon=":material/hourglass_top:")
    else:
        _explained(view, info, image, target, data)
    missing = " ".join(
        other.missing[view.anatomy.family] for other in explanations.METHODS if view.anatomy.family in other.missing
    )
    st.caption(f"{info.summary} ({info.paper}) {missing}")


def _explained(view: View, info: MethodInfo, image: int, target: int, data: LabelledImages) -> None:
    recipe = to_recipe(state.current().plan)
    request = {"kind": "explain", "recipe": recipe, "image": image, "method": info.key, "target": target}
    ticket = requests.stream(view, "live", request)
    name = data.class_names[target]
    polling.polled(_result, ticket.running)(view, request, info, data.images[image], name, ticket.running)


def _picked(found: Outcomes, data: LabelledImages) -> int:
    """The place of the picked image; until one is picked, of the one that changed most."""
    total = len(data)
    picked.only_of(data.name, total)
    number = st.number_input(
        f"Image, 1 to {total:,}", 1, total, None, key="picked", placeholder="the one that changed most",
        persist_state="session",
    )  # fmt: skip
    known = np.flatnonzero(found.images == (number or 0) - 1)
    return int(known[0] if len(known) else found.worst_first()[0])


def _facts(found: Outcomes, data: LabelledImages, place: int) -> str:
    names = data.class_names
    said = "no label" if is_agreement(data.name) else f"labelled **{names[found.labels[place]]}**"
    lines = [f"Image {found.images[place] + 1:,}, {said}"]
    for name, model in (("dense", found.dense), ("pruned", found.pruned)):
        said, sure, margin = names[model.classes[place]], model.confidence[place], model.margin[place]
        lines.append(f"{name}: **{said}**, {100 * sure:.0f} %, margin {100 * margin:.0f}")
    return "  \n".join(lines)


def _method(view: View) -> MethodInfo:
    """The method picker."""
    here = {info.key: info for info in explanations.METHODS if view.anatomy.family not in info.missing}
    if st.session_state.get("method") not in here:
        st.session_state.method = next(iter(here))
    chosen = st.pills(
        "Method", list(here), key="method", format_func=lambda key: here[key].label, required=True,
        persist_state="session", wrap=True,
        help=" ".join(TERMS[key] for key in ("integrated-gradients", "occlusion", "grad-cam", "rollout")),
    )  # fmt: skip
    info = here[chosen or next(iter(here))]
    return info


def _target(data: LabelledImages, label: int, before: int, after: int) -> int:
    """Which class the maps speak for: the dense answer unless the reader wants another one."""
    whose = {"dense": before, "pruned": after, "label": label}
    words = {"dense": "dense answer", "pruned": "pruned answer", "label": "label"}
    chosen = st.selectbox(
        "What speaks for", list(whose), key="target", persist_state="session",
        format_func=lambda who: f"{words[who]}: {data.class_names[whose[who]]}",
    )  # fmt: skip
    return whose[chosen or "dense"]


def _result(
    view: View, request: dict[str, Any], info: MethodInfo, image: np.ndarray, name: str, was_running: bool
) -> None:
    """Both maps, and how far one lies from the other."""
    ticket = requests.stream(view, "live", request)
    polling.ended(ticket, was_running)
    if ticket.error:
        st.error(formats.plain(ticket.error))
        return
    if ticket.running or not ticket.last or "dense" not in ticket.last:
        waiting.doing(ticket, "Looking at the image")
        return
    event = ticket.last
    speaks, look = f"for {name}" if info.of_class else "attended to", theme.look()

    def drawn() -> go.Figure:
        maps = (np.array(event[who]) for who in ("dense", "pruned"))
        return explanation_chart(image, *maps, info.signed, speaks, look, smooth=not state.current().drawn)

    figure = cache.memo("explanation", (requests.content(view.info, request), look), drawn)
    alt = f"{info.label} for {name}, dense and pruned model side by side"
    theme.chart(figure, "explanation", alt, _moved(event).replace("**", ""))
    if event["error_dense"] is not None:
        st.caption(_completeness(event), help=TERMS["completeness"])


def _moved(event: dict) -> str:
    moved, cells = event["moved"], event["cells"]
    if moved is not None and cells < FEW:
        return f"These maps have {cells} places, **too few to say** how far the explanation moved."
    number = "" if moved is None else f" (rank correlation {moved:.2f} over {cells:,} places)".replace("-", "−")
    return f"The explanation **{in_words(moved)}**{number}."


def _completeness(event: dict) -> str:
    parts = [
        f"{abs(event[f'error_{who}']):.3f} of {event[f'change_{who}']:+.1f} ({who})".replace("-", "−")
        for who in ("dense", "pruned")
    ]
    return f"Completeness error, of the logit's change from a black image: {', '.join(parts)}."
