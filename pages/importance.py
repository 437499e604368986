"""Importance: where does it lie? Blocks and modules, heads of a block, masks of layers, agreement of criteria."""

from __future__ import annotations

import streamlit as st

from dimap_core import summaries
from dimap_core.criteria import CRITERIA, criterion
from dimap_core.figures import importance
from dimap_core.types import PRUNABLE_MODULES
from pages.ui import cache, frame, live, state, theme, widgets
from pages.ui.glossary import TERMS

VALUES = {"kept": "kept, %", "score": "mean score", "lost": "lost per M MACs saved"}


def main() -> None:
    """Heatmap on the left; the chosen block's heads and masks on the right; criteria side by side below."""
    widgets.notice()
    view = live.view()
    if view is None:
        live.wait_for()
        return
    widgets.header()
    widgets.readout(view.cost.total)
    left, right = st.columns([2, 3], gap="medium")
    with left:
        heatmap(view)
    with right:
        block_detail(view)
    agreement(view)


def heatmap(view: live.View) -> None:
    """Block x module; a click chooses the block that is shown beside it."""
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
    figure = importance.block_heatmap(values, names, title, theme.look(), percent=shown == "kept")
    theme.chart(figure, "heat", f"{title} by block and module", on_select=choose, selection_mode="points")
    word = view.anatomy.stage_word
    hint = {"score": TERMS["score"], "lost": TERMS["lost"]}.get(shown or "", "")
    st.caption(f"2.1 is the first block of {word} 2. Click a cell to look inside its block. {hint}")


def choose() -> None:
    """A click on the heatmap chooses block and module."""
    points = st.session_state.heat["selection"]["points"]
    if points:
        st.session_state.block_place = int(points[0]["y"])
        st.session_state.block_module = PRUNABLE_MODULES[int(points[0]["x"])]


def block_detail(view: live.View) -> None:
    """Heads of one block, and the mask of one of its layers."""
    blocks = summaries.blocks(view.anatomy)
    place = min(st.session_state.setdefault("block_place", 0), len(blocks) - 1)
    st.session_state.block_place = place
    st.subheader("Inside one block", anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox(
            "Block", range(len(blocks)), key="block_place", format_func=lambda i: f"block {blocks[i][0]}",
            persist_state="session", label_visibility="collapsed",
        )  # fmt: skip
        block = blocks[st.session_state.block_place][1]
        layers = [layer for layer in block.layers if layer.prunable]
        module = st.session_state.pop("block_module", None)
        if module:
            st.session_state.block_layer = next(summaries.kind(lay) for lay in layers if lay.module == module)
        chosen = st.segmented_control(
            "Layer", [summaries.kind(layer) for layer in layers], key="block_layer", required=True,
            default="qkv", persist_state="session", label_visibility="collapsed",
        )  # fmt: skip
    heads = summaries.kept_by_head(block, view.scores, view.selection)
    theme.chart(importance.head_heatmap(heads, theme.look()), "heads", "Kept weights by head, for Q, K, V and output")
    layer = next(layer for layer in layers if summaries.kind(layer) == (chosen or "qkv"))
    gone = view.selection.removed[layer.name]
    mask = summaries.mask_picture(view.scores.layers[layer.name], gone)
    figure = importance.mask_heatmap(mask, layer.shape, theme.look(), thirds=chosen == "qkv")
    theme.chart(figure, "mask", f"Mask of {layer.name}")
    st.caption(f"{layer.name}: {1 - gone / layer.size:.1%} kept. Each dot is a weight that stays.")


def agreement(view: live.View) -> None:
    """Rank correlation of the plan's criterion with each other one."""
    st.subheader("Do the criteria agree?", anchor=False)
    plan, pairs = state.current().plan, {}
    for info in CRITERIA:
        if info.key == plan.criterion:
            continue
        folder = live.folder(state.current(), info.key)
        if folder is None:
            live.wait_for(info.key)
            return
        name = f"{criterion(plan.criterion).label} and {info.label}"
        pairs[name] = cache.rank_correlation(folder, plan.criterion, info.key, plan.seed)
    theme.chart(
        importance.agreement_heatmap(pairs, theme.look()), "agreement", "Rank correlation of criteria by module"
    )
    st.caption(TERMS["correlation"])


frame.enter()
main()
