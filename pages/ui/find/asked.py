"""What a search is asked for: one sentence of controls, and the button that starts it."""

from __future__ import annotations

from dataclasses import asdict

import streamlit as st

from dimap_core.studies import find as finding
from dimap_core.types import PruningError

from ..look import TERMS
from ..session import View, jobs, opening, own_models, state

_GOALS = {"structure": "smaller structures", "weight": "zeros"}
_KINDS = {"macs": "FLOPs (MACs)", "params": "params", "latency": "latency, measured here", "top1": "accuracy to keep"}
_STEPS = {"none": 0, "1 min": 60, "5 min": 300, "30 min": 1800}


def controls(view: View) -> None:
    """Goal, budget and time; a search starts from the dense model, whatever cut is in force."""
    columns = st.columns([1.1, 1.3, 1.5, 1.3, 0.9], gap="small", vertical_alignment="bottom")
    granularity = columns[0].selectbox("Aim for", list(_GOALS), format_func=_GOALS.get, key="find_granularity",
                                       help=TERMS["granularity"], persist_state="session")  # fmt: skip
    kinds = [kind for kind in _KINDS if not (kind == "latency" and granularity == "weight")]
    kind = columns[1].selectbox("Budget in", kinds, format_func=_KINDS.get, key="find_kind", help=TERMS["find-by"],
                                persist_state="session")  # fmt: skip
    with columns[2]:
        share = _share(kind)
    steps = columns[3].selectbox("Then refine it for", list(_STEPS), key="find_seconds", help=TERMS["find-search"],
                                 persist_state="session")  # fmt: skip
    columns[4].button("Find", type="primary", icon=":material/travel_explore:", width="stretch", on_click=_begin,
                      args=(granularity, kind, share, _STEPS[steps], view.info.name))  # fmt: skip


def _share(kind: str) -> float:
    if kind == "top1":
        return st.slider("Keep at least", 5, 99, 95, 1, format="%d %%", key="find_top1", persist_state="session") / 100
    return st.slider("Remove", 5, 95, 80, 5, format="%d %%", key="find_share", persist_state="session") / 100


def _begin(granularity: str, kind: str, share: float, seconds: int, name: str) -> None:
    setting = state.current()
    budget, keep = (None, share) if kind == "top1" else (share, None)
    wanted = finding.Wanted(granularity, budget, "macs" if kind == "top1" else kind, keep, float(seconds),
                    setting.plan.images, setting.plan.seed)  # type: ignore[arg-type]  # fmt: skip
    try:
        wanted.checked()
    except PruningError as error:
        st.session_state.notice = str(error)
        return
    asked = f"keep {100 * share:g} % right" if kind == "top1" else f"{100 * share:g} % of {_KINDS[kind]} removed"
    request = {**opening.model_request(setting), "search": asdict(wanted), "setting": setting.model}
    jobs.start(jobs.FIND, f"{own_models.shown(setting.model)} · {_GOALS[granularity]}, {asked}", request)
