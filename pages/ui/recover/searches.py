"""Controls of the searches that the Recover page can start: one function each."""

from __future__ import annotations

import streamlit as st

from dimap_core.training import apma as apma_method, nvit as nvit_method, spvit as spvit_method

from ..look import TERMS
from ..session import View, jobs

_SHOWN = {"macs": "FLOPs (MACs)", "latency": "latency, measured here"}


def nvit(view: View) -> None:
    """What an NViT search on the dense model is asked for."""
    aware = st.segmented_control("Remove a share of", list(_SHOWN), default="macs", key="nvit_aware", required=True,
                                 format_func=_SHOWN.get, persist_state="session")  # fmt: skip
    percent = st.slider("Share to remove", 5, 90, 50, 5, format="%d %%", key="nvit_target", persist_state="session")
    seconds = st.number_input("Seconds, half of them for fine-tuning", 20, 86_400, 120, key="nvit_seconds",
                              persist_state="session")  # fmt: skip
    st.button("Start the search", type="primary", icon=":material/manage_search:", on_click=_begin_nvit,
              args=(view.info.data, percent / 100, aware, seconds))  # fmt: skip
    st.caption(f"{nvit_method.AWARE[aware]}. It starts from the dense model, not from the current cut.")
    if view.info.family == "swin":
        st.caption(nvit_method.SWIN_FIXED)
    with st.expander("Where this differs from the paper"):
        st.markdown("\n".join(f"- {line}" for line in nvit_method.SIMPLIFICATIONS))


def _begin_nvit(data: str, target: float, aware: str, seconds: float) -> None:
    asked = nvit_method.suited_search(data, target, aware, seconds)
    jobs.start_search("nvit", asked, f"NViT, {100 * target:.0f} % of {nvit_method.PAID[aware]} removed")


def apma(view: View) -> None:
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
            for part, name in apma_method.PARTS.items()
        }
    st.button("Start the search", type="primary", icon=":material/manage_search:", on_click=_begin_apma,
              args=(view.info.data, percent / 100, seconds, switches))  # fmt: skip
    st.caption("It starts from the dense model, not from the current cut.")
    with st.expander("What is reconstructed"):
        st.markdown(f"**{apma_method.NAME}**\n\n" + "\n".join(f"- {line}" for line in apma_method.RECONSTRUCTIONS))


def _off(part: str) -> str:
    return f"Off: {apma_method.WITHOUT[part]}."


def _begin_apma(data: str, target: float, seconds: float, switches: dict[str, bool]) -> None:
    asked = apma_method.suited_search(data, target, seconds, **switches)
    left_out = f", without {', '.join(apma_method.PARTS[part] for part in asked.without)}" if asked.without else ""
    jobs.start_search("apma", asked, f"{apma_method.NAME}, {100 * target:.0f} % of MACs removed{left_out}")


def spvit(view: View) -> None:
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
    st.button("Start the search", type="primary", icon=":material/manage_search:", on_click=_begin_spvit,
              args=(view.info.data, percent / 100, seconds, distill, compare))  # fmt: skip
    more = f" The comparison takes up to {1.5 * seconds / 60:.0f} minutes more." if compare else ""
    st.caption(f"It starts from the dense model, not from the current cut.{more}")
    with st.expander("Where this differs from the paper"):
        st.markdown("\n".join(f"- {line}" for line in spvit_method.SIMPLIFICATIONS))


def _begin_spvit(data: str, target: float, seconds: float, distill: bool, compare: bool) -> None:
    asked = spvit_method.suited_search(data, target, seconds, distill=distill, compare=compare)
    jobs.start_search("spvit", asked, f"SPViT, to remove {100 * target:.0f} % of MACs")
