"""Recover: can training bring it back, or find a better cut? Starts long jobs and shows all of the session."""

from __future__ import annotations

from dataclasses import asdict, replace

import streamlit as st

from dimap_core.models import presets
from dimap_core.training import METHODS, preset_settings
from pages.ui.look import TERMS, frame, plan_names
from pages.ui.parts import header
from pages.ui.recover import apma_results, job_cards, searches, spvit_published
from pages.ui.session import View, jobs, opening, own_models, state

PRESETS = {"suited": "suited to small models", "dimap": "the paper's (DIMAP)"}


def main() -> None:
    """Controls on the left, jobs on the right."""
    view = header.begin()
    if view is None:
        return
    left, right = st.columns([1, 2], gap="medium")
    with left:
        st.subheader("Train", anchor=False)
        controls(view)
    with right:
        st.subheader("Jobs", anchor=False)
        job_cards.draw()
        if st.session_state.get("recover_method") == "apma":
            apma_results.parts()
    if st.session_state.get("recover_method") == "spvit" or view.info.name in presets():
        spvit_published.draw()


def controls(view: View) -> None:
    """What is to be trained and how, and the button that starts it."""
    if not view.judged:
        header.not_judged(view, "Training needs")
        return
    names = {"recover": "fine-tune this cut", **{row.key: row.label for row in METHODS}}
    chosen = st.radio("Method", list(names), key="recover_method", format_func=names.get, persist_state="session")
    method = next((row for row in METHODS if row.key == chosen), None)
    st.caption(method.summary if method else TERMS["recover"])
    if method:
        searches.draw(method, view)
    else:
        recovery(view)
    st.caption("It goes on when you leave: the link holds your jobs. One runs at a time.")


def recovery(view: View) -> None:
    """How the current cut would be trained."""
    preset = st.selectbox("Recipe", list(PRESETS), key="recover_preset", format_func=PRESETS.get, help=TERMS["preset"],
                          persist_state="session")  # fmt: skip
    length = {"epochs": None, "seconds": None}
    if preset == "suited":
        unit = st.segmented_control("For", ["seconds", "epochs"], default="seconds", key="recover_unit", required=True,
                                    persist_state="session")  # fmt: skip
        least, most, usual = {"seconds": (5, 86_400, 60), "epochs": (1, 1000, 10)}[unit]
        length[unit] = st.number_input(unit.capitalize(), least, most, usual, key=f"recover_{unit}",
                                       persist_state="session")  # fmt: skip
    distill = st.toggle("Learn from the dense model too", key="recover_distill", help=TERMS["distill"],
                        persist_state="session")  # fmt: skip
    nothing = not any(view.selection.removed.values())
    st.button("Start training", type="primary", icon=":material/model_training:", disabled=nothing, on_click=begin,
              args=(view.info.data, preset, length, distill))  # fmt: skip
    if nothing:
        st.caption("The cut removes nothing, so there is nothing to recover.")


def begin(data: str, preset: str, length: dict[str, float | None], distill: bool) -> None:
    """Start a recovery of the current setting."""
    setting = state.current()
    given = {key: value for key, value in length.items() if value is not None}
    settings = replace(preset_settings(preset, data, given), distill="soft" if distill else "none")
    request = {**opening.model_request(setting), "recipe": setting.recipe(), "settings": asdict(settings)}
    jobs.start("recover", f"{own_models.shown(setting.model)} · {plan_names.label(setting.plan)}", request)


frame.enter()
main()
