"""Controls of the searches that the Recover page can start."""

from __future__ import annotations

from dataclasses import asdict

import streamlit as st

from dimap_core.methods.nvit_settings import AWARE, PAID, SIMPLIFICATIONS, SWIN_FIXED, suited_search

from . import brought, live, longwork, opening, state

_SHOWN = {"macs": "FLOPs (MACs)", "latency": "latency, measured here"}


def nvit(view: live.View) -> None:
    """What an NViT search on the dense model is asked for."""
    aware = st.segmented_control("Remove a share of", list(_SHOWN), default="macs", key="nvit_aware", required=True,
                                 format_func=_SHOWN.get, persist_state="session")  # fmt: skip
    percent = st.slider("Share to remove", 5, 90, 50, 5, format="%d %%", key="nvit_target", persist_state="session")
    seconds = st.number_input("Seconds, half of them for fine-tuning", 20, 86_400, 120, key="nvit_seconds",
                              persist_state="session")  # fmt: skip
    st.button("Start the search", type="primary", icon=":material/manage_search:", on_click=_begin,
              args=(view.info.data, percent / 100, aware, seconds))  # fmt: skip
    st.caption(f"{AWARE[aware]}. It starts from the dense model, not from the current cut.")
    if view.info.family == "swin":
        st.caption(SWIN_FIXED)
    with st.expander("Where this differs from the paper"):
        st.markdown("\n".join(f"- {line}" for line in SIMPLIFICATIONS))


def _begin(data: str, target: float, aware: str, seconds: float) -> None:
    setting = state.current()
    asked = asdict(suited_search(data, target, aware, seconds))
    request = {**opening.model_request(setting), "search": asked}
    longwork.start(
        "nvit", f"{brought.shown(setting.model)} · NViT, {100 * target:.0f} % of {PAID[aware]} removed", request
    )
