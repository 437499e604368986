"""The architectures that SPViT published: what we count beside what is printed, and a way to open them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd
import streamlit as st

from dimap_core.models import presets, publication

from ..session import state


def draw() -> None:
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
    st.selectbox("Open one", list(presets()), None, key="spvit_open", on_change=_open, placeholder="choose", width=300)


def _accuracy(found: Mapping[str, Any]) -> dict[str, str]:
    distilled = f"{found['top1_kd']} %" if "top1_kd" in found else "–"
    return {"top-1, printed": f"{found['top1']} %", "distilled, printed": distilled}


def _open() -> None:
    """Go to a published architecture; without network its counts are all there is."""
    name = st.session_state.spvit_open
    if name:
        plan = replace(state.current().plan, protected=())
        state.go(replace(state.current(), model=name, weights="random", plan=plan, classes=()))
