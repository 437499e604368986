"""The plan's controls beside its ratios: what goes, by which criterion, in which scope, paid in what."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from dimap_core.criteria import criterion, offered
from dimap_core.plan import MOST_IMAGES, SCOPES

from ..look import TERMS, formats
from ..session import Setting, opened, state
from . import control

_UNITS = {
    "weight": "single weights (zeros)",
    "structure": "whole structures (smaller)",
    "nm": "N of every M weights (zeros)",
}
_SCOPE_LABELS = {
    "layer": "each layer alone (uniform)",
    "stage-module": "stage × module",
    "module": "module (DIMAP)",
    "model": "whole model (LAMP)",
}
_GROUP_SCOPE_LABELS = {
    "layer": "each block and kind alone",
    "stage-module": "stage × kind",
    "module": "kind",
    "model": "whole model",
}


def units() -> None:
    """What one unit is that goes."""
    shown = state.current().plan.granularity
    st.radio(
        "What to remove", list(_UNITS), list(_UNITS).index(shown), format_func=_UNITS.get, help=TERMS["granularity"],
        **control.filled("w_granularity", shown, _units_changed),
    )  # fmt: skip


def _units_changed() -> None:
    """The same amount of another unit, as far as it can be said there."""
    granularity, plan = st.session_state.w_granularity, state.current().plan
    if granularity is None:
        return
    amount = {"ratio": opened.common_ratio() if plan.budget is None else None, "nm": None, "overrides": ()}
    if granularity == "nm":
        amount |= {"ratio": None, "budget": None, "cost_exponent": 0.0, "nm": "2:4"}
    if granularity != "structure":
        amount["round_to"] = 1
    if replace(plan, granularity=granularity).scored not in criterion(plan.criterion).scores:
        amount["criterion"] = Setting().plan.criterion
    state.change(granularity=granularity, protected=(), **amount)


def ranking() -> None:
    """The criterion, and the seed of one that draws lots."""
    plan = state.current().plan
    labels = {
        info.key: f"{info.label} (reads images)" if info.reads_images else info.label
        for info in offered(plan.criterion)
        if plan.scored in info.scores
    }
    info = criterion(plan.criterion)
    st.selectbox(
        "Criterion", list(labels), list(labels).index(plan.criterion), format_func=labels.get, help=TERMS["criterion"],
        **control.filled("w_criterion", plan.criterion, state.take, "criterion", list(labels)),
    )  # fmt: skip
    st.caption(f"{info.summary} {formats.plain(info.equation)}. {info.paper}.")
    if plan.criterion == "random":
        taken = control.filled("w_seed", plan.seed, state.take, "seed")
        st.number_input("Seed", 0, 2**32 - 1, plan.seed, help=TERMS["seed"], **taken)


def scope() -> None:
    """Which units are ranked against each other."""
    plan = state.current().plan
    groups = plan.granularity == "structure"
    scopes = _GROUP_SCOPE_LABELS if groups else _SCOPE_LABELS
    st.radio(
        "Structures compete within" if groups else "Weights compete within", SCOPES,
        SCOPES.index(plan.scope), format_func=scopes.get, help=TERMS["scope"],
        **control.filled("w_scope", plan.scope, state.take, "scope", SCOPES),
    )  # fmt: skip


def more() -> None:
    """What is chosen seldom: what is paid for, the refit, and sizes that hardware likes."""
    plan = state.current().plan
    if plan.granularity != "nm":
        units = ("weight", "structure")
        taken = control.filled("w_cost_exponent", plan.cost_exponent, state.take, "cost_exponent", None, units)
        options = sorted({0.0, 0.25, 0.5, 0.75, 1.0, float(plan.cost_exponent)})
        st.select_slider(
            "What do you pay for?", options, plan.cost_exponent, help=TERMS["pay"],
            format_func=lambda a: {0.0: "params", 1.0: "MACs"}.get(a, f"{a:g}"), **taken,
        )  # fmt: skip
    repair()
    if plan.granularity == "structure":
        st.toggle(
            "Keep multiples of 8", plan.round_to == 8, help=TERMS["round"],
            **control.filled("w_round", plan.round_to == 8, _round_changed),
        )  # fmt: skip
    if criterion(plan.criterion).reads_images or plan.repair:
        st.number_input(
            "Training images to read", 1, MOST_IMAGES, plan.images, step=64, help=TERMS["images"],
            **control.filled("w_images", plan.images, state.take, "images"),
        )  # fmt: skip


def repair() -> None:
    """Whether what stays is refitted."""
    shown = state.current().plan.repair
    st.toggle(
        "Repair what is left", shown, help=TERMS["repair"],
        **control.filled("w_repair", shown, state.take, "repair"),
    )  # fmt: skip


def _round_changed() -> None:
    if state.current().plan.granularity == "structure":
        state.change(round_to=8 if st.session_state.w_round else 1)
