"""Where importance lies: blocks and modules, heads of one block, masks of its layers."""

from __future__ import annotations

from functools import partial

import numpy as np
import streamlit as st

from dimap_core.cut import weight_mask
from dimap_core.figures import findings, importance
from dimap_core.studies import summaries
from dimap_core.types import KINDS, Anatomy

from ..look import TERMS, plan_names, theme
from ..parts import part_map
from ..session import View, state

FIRST_LAYER, FIRST_LAYER_OF_KIND = ("qkv", "proj", "fc1"), ("fc1", "qkv", "qkv", "qkv")
VALUES = {"kept": "kept, %", "score": "mean score", "lost": "lost per M MACs"}


def draw(view: View) -> None:
    """The map; below it the heatmap on the left, the selected block's heads and masks on the right."""
    part_map.draw(view)
    left, right = st.columns([2, 3], gap="medium")
    with left:
        heatmap(view)
    with right:
        block_detail(view)


def heatmap(view: View) -> None:
    """Block x module; a click selects the block that is shown beside it."""
    st.subheader("Where importance lies", anchor=False)
    shown = st.segmented_control(
        "Show", list(VALUES), default="kept", key="importance_value", format_func=VALUES.get, required=True,
        persist_state="session", label_visibility="collapsed",
    )  # fmt: skip
    values = {
        "kept": lambda: summaries.kept_by_block(view.anatomy, view.selection),
        "score": lambda: summaries.score_by_block(view.anatomy, view.scores),
        "lost": lambda: summaries.lost_per_mac(view.anatomy, view.scores, view.selection),
    }[shown or "kept"]()
    names = [name for name, _ in summaries.blocks(view.anatomy)]
    title = VALUES[shown or "kept"]
    columns = summaries.columns(view.selection.granularity)
    figure = importance.block_heatmap(values, names, title, theme.look(), percent=shown == "kept", columns=columns,
                                       selected=_selected(view.anatomy))  # fmt: skip
    word = view.anatomy.stage_word
    hint = {"score": TERMS["score"], "lost": TERMS["lost"]}.get(shown or "", "")
    say = findings.percent if shown == "kept" else "{:.2g}".format
    rows, what = [f"block {name}" for name in names], title.removesuffix(", %").capitalize()
    theme.chart(
        figure, "heat", f"{title} by block and module",
        findings.cells(values, rows, columns, what, say),
        f"2.1 is the first block of {word} 2. Click a cell to look inside its block. {hint}",
        on_select=partial(choose, _places(view.anatomy)), selection_mode="points",
    )  # fmt: skip


def _selected(anatomy: Anatomy) -> list[int]:
    """Places in forward order of the selected block, or of all of the selected stage."""
    at, blocks = state.selected(), enumerate(anatomy.blocks)
    return [n for n, block in blocks if block.stage == at.stage and at.block in (None, block.index)]


def choose(places: list[tuple[int, int]]) -> None:
    """A click on the heatmap selects the block, and chooses the layer or kind; `places`: (stage, block) of each row."""
    points = st.session_state.heat["selection"]["points"]
    if points:
        state.select(*places[int(points[0]["y"])])
        column = int(points[0]["x"])
        groups = state.current().plan.granularity == "structure"
        st.session_state.block_layer = (FIRST_LAYER_OF_KIND if groups else FIRST_LAYER)[column]
        if groups:
            st.session_state.block_kind = KINDS[column]


def block_detail(view: View) -> None:
    """Heads of one block, and the mask of one of its layers."""
    blocks = summaries.blocks(view.anatomy)
    place = state.fill("block_place", next(iter(_selected(view.anatomy)), 0))
    st.subheader("Inside one block", anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox(
            "Block", range(len(blocks)), place, key="block_place", format_func=lambda i: f"block {blocks[i][0]}",
            label_visibility="collapsed", on_change=_block_chosen, args=(_places(view.anatomy),), width=200,
        )  # fmt: skip
        block = blocks[place][1]
        layers = [layer for layer in block.layers if layer.prunable]
        if st.session_state.get("block_layer") not in (names := [summaries.kind(layer) for layer in layers]):
            st.session_state.block_layer = names[0]
        chosen = st.segmented_control(
            "Layer", names, key="block_layer", required=True,
            default=summaries.kind(layers[0]), persist_state="session", label_visibility="collapsed",
        )  # fmt: skip
    if view.selection.granularity == "structure":
        unit_scores(view, block.name)
    if heads := summaries.kept_by_head(view.anatomy, block, view.scores, view.selection):
        alt = "Kept weights by head, for Q, K, V and output"
        table = np.array(list(heads.values()))
        names = [f"head {place + 1}" for place in range(table.shape[1])]
        title = findings.cells(table.T, names, list(heads), "Kept", findings.percent)
        theme.chart(importance.head_heatmap(heads, theme.look()), "heads", alt, title)
    else:
        st.caption("No heads in this block: a convolution or nothing took the place of attention, and is never cut.")
    layer = next((layer for layer in layers if summaries.kind(layer) == chosen), layers[0])
    mask = weight_mask(view.anatomy, view.scores, view.selection, layer)
    figure = importance.mask_heatmap(summaries.mask_picture(mask), layer.shape, theme.look(), thirds=chosen == "qkv")
    theme.chart(
        figure, "mask", f"Mask of {layer.name}", findings.mask(mask.mean(), layer.shape),
        f"{layer.name}: {100 * mask.mean():.1f} % kept. Each dot is a weight that stays.",
        {"outputs": [layer.shape[0]], "inputs": [layer.shape[1]], "kept, %": [f"{100 * mask.mean():.1f}"]},
    )  # fmt: skip


def _block_chosen(places: list[tuple[int, int]]) -> None:
    state.select(*places[st.session_state.block_place])


def _places(anatomy: Anatomy) -> list[tuple[int, int]]:
    """(stage, block) of every block, in forward order."""
    return [(block.stage, block.index) for block in anatomy.blocks]


def unit_scores(view: View, block: str) -> None:
    """Every unit's score of one kind in the block, what goes and what stays."""
    kinds = [kind for kind in KINDS if f"{block}:{kind}" in view.scores.layers]
    if st.session_state.get("block_kind") not in kinds:
        st.session_state.block_kind = kinds[0]
    kind = st.segmented_control(
        "Kind", kinds, key="block_kind", default=KINDS[0], format_func=plan_names.SHORT.get, required=True,
        persist_state="session", label_visibility="collapsed",
    )  # fmt: skip
    name = f"{block}:{kind or KINDS[0]}"
    figure = importance.score_bars(view.scores.layers[name].ranked, view.selection.removed[name], theme.look())
    theme.chart(
        figure, "units", f"Scores of {plan_names.KIND_LABELS[kind or KINDS[0]]} in this block, lowest first",
        findings.units(view.scores.layers[name].ranked, view.selection.removed[name]),
        "Lowest first; outlined ones go. A dimension goes from every head at once, each head giving its lowest.",
    )  # fmt: skip
