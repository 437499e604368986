"""Controls of the searches that the Recover page can start: one function each."""

from __future__ import annotations

from dataclasses import asdict

import streamlit as st

from dimap_core.methods import apma_settings
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


def apma(view: live.View) -> None:
    """What an APMA-style search on the dense model is asked for."""
    percent = st.slider("Share of FLOPs (MACs) to remove", 5, 90, 40, 5, format="%d %%", key="apma_target",
                        persist_state="session")  # fmt: skip
    seconds = st.number_input("Seconds, half of them for fine-tuning", 20, 86_400, 120, key="apma_seconds",
                              persist_state="session")  # fmt: skip
    with st.expander("Parts of the method"):
        switches = {
            part: st.toggle(
                name[0].upper() + name[1:], value=True, key=f"apma_{part}", help=_off(part), persist_state="session"
            )
            for part, name in apma_settings.PARTS.items()
        }
    st.button("Start the search", type="primary", icon=":material/manage_search:", on_click=_begin_apma,
              args=(view.info.data, percent / 100, seconds, switches))  # fmt: skip
    st.caption("It starts from the dense model, not from the current cut.")
    with st.expander("What is reconstructed"):
        st.markdown(f"**{apma_settings.NAME}**\n\n" + "\n".join(f"- {line}" for line in apma_settings.RECONSTRUCTIONS))


def _off(part: str) -> str:
    return f"Off: {apma_settings.WITHOUT[part]}."


def _begin_apma(data: str, target: float, seconds: float, switches: dict[str, bool]) -> None:
    setting = state.current()
    asked = apma_settings.suited_search(data, target, seconds, **switches)
    left_out = f", without {', '.join(apma_settings.PARTS[part] for part in asked.without)}" if asked.without else ""
    title = f"{brought.shown(setting.model)} · {apma_settings.NAME}, {100 * target:.0f} % of MACs removed{left_out}"
    longwork.start("apma", title, {**opening.model_request(setting), "search": asdict(asked)})
