"""Controls of the searches that the Recover page can start: one form, filled by the method's row."""

from __future__ import annotations

import streamlit as st

from dimap_core.training import AWARE, PAID, Method

from ..look import TERMS
from ..session import View, jobs

_SHOWN = {"macs": "FLOPs (MACs)", "latency": "latency, measured here"}


def draw(method: Method, view: View) -> None:
    """What a search on the dense model is asked for, and the button that starts it."""
    if method.softmax_only and any(block.mixer != "softmax" for block in view.anatomy.blocks):
        st.info("This search needs softmax attention in every block; choose another model, or what this was made from.")
        return
    aware, several = method.costs[0], len(method.costs) > 1
    if several:
        aware = st.segmented_control(
            "Remove a share of", list(method.costs), default=aware, key=f"{method.key}_aware", required=True,
            format_func=_SHOWN.get, persist_state="session",
        )  # fmt: skip
    percent = st.slider("Share to remove" if several else f"Share of {_SHOWN[aware]} to remove", 5,
                        round(100 * method.most), round(100 * method.share), 5, format="%d %%",
                        key=f"{method.key}_target", persist_state="session")  # fmt: skip
    seconds = st.number_input("Seconds, half of them for fine-tuning", 20, 86_400, method.seconds,
                              key=f"{method.key}_seconds", persist_state="session")  # fmt: skip
    switches = _switches(method)
    given = {**switches, "aware": aware} if several else switches
    st.button("Start the search", type="primary", icon=":material/manage_search:", on_click=_begin,
              args=(method, view.info.data, percent / 100, aware, seconds, given))  # fmt: skip
    counted = f"{AWARE[aware]}. " if several else ""
    st.caption(
        f"{counted}It starts from the dense model, not from the current cut.{_longer(method, switches, seconds)}"
    )
    if note := method.notes.get(view.info.family):
        st.caption(note)
    with st.expander(method.heading):
        st.markdown(f"**{method.title}**, {method.paper}\n\n" + "\n".join(f"- {line}" for line in method.differs))


def _switches(method: Method) -> dict[str, bool]:
    """Keyword -> how its switch stands; parts of the method are folded away."""
    shown = [option for option in method.options if option.label]
    parts = [option for option in shown if option.part]
    place = st.expander("Parts of the method") if parts else st.container()
    return {
        option.key: (place if option.part else st).toggle(
            option.label, option.usual, key=f"{method.key}_{option.key}", help=option.hint or TERMS[option.key],
            persist_state="session",
        )
        for option in shown
    }  # fmt: skip


def _longer(method: Method, switches: dict[str, bool], seconds: float) -> str:
    """What the switches add to the time."""
    added = [option for option in method.options if option.longer and switches.get(option.key)]
    more = (f"{option.label}: up to {option.longer * seconds / 60:.0f} minutes more." for option in added)
    return "".join(f" {line}" for line in more)


def _begin(
    method: Method, data: str, target: float, aware: str, seconds: float, given: dict[str, bool | str]
) -> None:  # fmt: skip
    asked = method.suited(data, target, seconds=seconds, **given)
    out = [option.help for option in method.options if option.part and not given.get(option.key, True)]
    without = f", without {', '.join(out)}" if out else ""
    jobs.start_search(method.key, asked, f"{method.title}, {100 * target:.0f} % of {PAID[aware]} to remove{without}")
