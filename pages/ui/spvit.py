"""SPViT on the Recover page: what a search is asked for, and the published architectures.

Next door: `spvit_found` draws what a search does and finds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import pandas as pd
import streamlit as st

from dimap_core.methods.spvit_settings import SIMPLIFICATIONS, suited_search
from dimap_core.presets import presets
from dimap_core.published import publication

from . import brought, live, longwork, opening, state
from .glossary import TERMS


def controls(view: live.View) -> None:
    """What an SPViT search on the dense model is asked for."""
    if any(block.mixer != "softmax" for block in view.anatomy.blocks):
        st.info("This search needs softmax attention in every block; choose another model, or what this was made from.")
        return
    percent = st.slider("Share of FLOPs (MACs) to remove", 5, 80, 40, 5, format="%d %%", key="spvit_target",
                        persist_state="session")  # fmt: skip
    seconds = st.number_input("Seconds, half of them for fine-tuning", 20, 86_400, 240, key="spvit_seconds",
                              persist_state="session")  # fmt: skip
    distill = st.toggle("Learn from the dense model too", key="spvit_distill", help=TERMS["distill"],
                        persist_state="session")  # fmt: skip
    compare = st.toggle("Compare with a one-shot cut", True, key="spvit_compare", help=TERMS["spvit-compare"],
                        persist_state="session")  # fmt: skip
    st.button("Start the search", type="primary", icon=":material/manage_search:", on_click=_begin,
              args=(view.info.data, percent / 100, seconds, distill, compare))  # fmt: skip
    more = f" The comparison takes up to {1.5 * seconds / 60:.0f} minutes more." if compare else ""
    st.caption(f"It starts from the dense model, not from the current cut.{more}")
    with st.expander("Where this differs from the paper"):
        st.markdown("\n".join(f"- {line}" for line in SIMPLIFICATIONS))


def _begin(data: str, target: float, seconds: float, distill: bool, compare: bool) -> None:
    setting = state.current()
    asked = asdict(suited_search(data, target, seconds, distill=distill, compare=compare))
    request = {**opening.model_request(setting), "search": asked}
    title = f"{brought.shown(setting.model)} · SPViT, to remove {100 * target:.0f} % of MACs"
    longwork.start("spvit", title, request)


def published() -> None:
    """The seven published architectures: what we count beside what is printed, and a way to open them."""
    st.subheader("Published by SPViT", anchor=False)
    paper = publication("spvit")
    rows, remarks = [], []
    for name, preset in presets().items():
        printed = {f.quantity: f for f in paper.figures if f.model == preset.published and f.by == "paper"}
        counted = {f.quantity: f for f in paper.figures if f.model == preset.published and f.by == "computed"}
        params, macs = printed["params as fine-tuned"], printed["MACs"]
        rows.append({
            "open as": name,
            "MACs, ours": f"{float(counted['MACs'].printed) / 1e9:.3f} G", "MACs, printed": f"{macs.printed} G",
            "params, ours": f"{float(counted['params'].printed) / 1e6:.3f} M",
            "params in training, ours": f"{float(counted['params as fine-tuned'].printed) / 1e6:.2f} M",
            "params, printed": f"{params.printed} M",
            **_accuracy(paper.content["accuracy"][preset.published]),
        })  # fmt: skip
        remarks += [f"{name}, {figure.quantity}: {figure.remark}" for figure in (params, macs) if figure.remark]
    st.dataframe(pd.DataFrame(rows), hide_index=True, key="spvit_published")
    st.caption(
        "Counted here, and printed in the authors' README for ImageNet-1k; accuracies are the authors'. The printed "
        "params are those while it trains, before convolutions are folded."
    )
    st.markdown("\n".join(f"- {remark}" for remark in remarks))
    st.selectbox("Open one", list(presets()), None, key="spvit_open", on_change=_open, placeholder="choose")


def _accuracy(found: Mapping[str, Any]) -> dict[str, str]:
    distilled = f"{found['top1_kd']} %" if "top1_kd" in found else "–"
    return {"top-1, printed": f"{found['top1']} %", "distilled, printed": distilled}


def _open() -> None:
    """Go to a published architecture; without network its counts are all there is."""
    name = st.session_state.spvit_open
    if name:
        plan = replace(state.current().plan, protected=())
        state.go(replace(state.current(), model=name, weights="random", plan=plan, classes=()))
