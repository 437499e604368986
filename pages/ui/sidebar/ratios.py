"""How much to cut: one ratio, one per kind, stage or cell, a budget or a pattern."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dimap_core.plan import PATTERNS, overrides_from, sort_overrides
from dimap_core.studies import columns
from dimap_core.types import KINDS, Cell, PruningPlan

from ..look import TERMS, plan_names
from ..session import opening, state

_STEPS = (*range(0, 100, 5), 98)
_MODES = {
    "one": "one ratio",
    "kinds": "a ratio per kind",
    "stages": "a ratio per stage",
    "grid": "a ratio per stage × module",
    "budget": "a budget",
    "pattern": "a pattern",
}
_PRESETS = {"DIMAP1": 0.15, "DIMAP2": 0.35, "DIMAP3": 0.55}


def draw() -> None:
    """Ratios, a budget or a pattern, and what happens to the rest."""
    plan = state.current().plan
    if plan.granularity == "nm":
        _pattern()
    else:
        _amount(plan)
    st.toggle(
        "Repair what is left", state.fill("w_repair", plan.repair), key="w_repair", on_change=state.take,
        args=("repair",), help=TERMS["repair"],
    )  # fmt: skip
    if plan.granularity == "structure":
        _rounding(plan)


def _amount(plan: PruningPlan) -> None:
    """Ratios or a budget."""
    hidden = {"pattern"} | ({"kinds"} if plan.granularity == "weight" else set())
    if opening.anatomy(state.current()) is None:  # how many stages there are is not known yet
        hidden |= {"stages", "grid"}
    modes = [mode for mode in _MODES if mode not in hidden or mode == st.session_state.mode]
    st.selectbox(
        "How much to cut", modes, modes.index(state.fill("w_mode", st.session_state.mode)), key="w_mode",
        format_func=_MODES.get, on_change=_mode_changed, help=TERMS["ratio"],
    )  # fmt: skip
    controls = {"one": _one, "kinds": _kinds, "stages": _stages, "grid": _grid, "budget": _budget}
    controls[st.session_state.mode]()


def _mode_changed() -> None:
    """Say the same plan in another form, as far as that form can."""
    mode, plan = st.session_state.w_mode or st.session_state.mode, state.current().plan
    ratio = 0.5 if plan.ratio is None else plan.ratio
    own = dict(plan.overrides)
    if mode == "one":
        state.change(ratio=ratio, budget=None, overrides=())
    elif mode == "budget":
        state.change(ratio=None, budget=0.5, overrides=())
    elif mode == "kinds":
        pairs = {(None, kind): own.get((None, kind), 0.0 if kind == "head" else ratio) for kind in KINDS}
        state.change(ratio=ratio, budget=None, overrides=sort_overrides(pairs))
    elif (anatomy := opening.anatomy(state.current())) is None:
        return  # the model changed under the control, which is drawn anew
    elif mode == "stages":
        pairs = {str(stage.index): own.get((stage.index, None), ratio) for stage in anatomy.stages}
        state.change(ratio=ratio, budget=None, overrides=overrides_from(pairs.items()))
    else:
        cells = ((stage.index, module) for stage in anatomy.stages for module in columns(plan.granularity))
        pairs = {
            f"{stage}:{module}": own.get((stage, module), 0.0 if module == "head" else own.get((stage, None), ratio))
            for stage, module in cells
        }
        state.change(ratio=ratio, budget=None, overrides=overrides_from(pairs.items()))


def _percent(label: str, key: str, value: float, on_change, args: tuple = (), **more: Any) -> None:  # type: ignore[no-untyped-def]
    """A slider in steps of 5 % that also shows values typed elsewhere."""
    percent = round(100 * value, 1)
    options = sorted({*map(float, _STEPS), percent})
    st.select_slider(
        label, options, state.fill(key, percent), key=key, format_func=lambda v: f"{v:g} %", on_change=on_change,
        args=args, **more,
    )  # fmt: skip


def _one() -> None:
    ratio = state.current().plan.ratio or 0.0
    left, right = st.columns([3, 1.4], vertical_alignment="bottom")
    with left:
        _percent("Remove", "w_ratio", ratio, _one_changed, ("w_ratio",))
    # A field for each ratio: the browser goes on reporting what an earlier one showed, which must not count as typed.
    percent = round(100 * ratio, 1)
    typed = f"w_typed-{10 * percent:.0f}"
    right.number_input(
        "Remove, %", 0.0, 99.9, state.fill(typed, percent),
        key=typed, step=1.0, format="%g", on_change=_one_changed, args=(typed, percent),
        label_visibility="collapsed",
    )  # fmt: skip
    if state.current().plan.granularity == "structure":
        return  # the paper's cuts are of single weights
    for column, (name, preset) in zip(st.columns(3, gap="xsmall"), _PRESETS.items(), strict=True):
        help_text = f"The paper's cut of {100 * preset:.0f} %."
        column.button(name, key=f"w_{name}", on_click=_preset, args=(preset,), help=help_text, width="stretch")


def _one_changed(key: str, shown: float | None = None) -> None:
    if st.session_state.mode == "one" and st.session_state[key] not in (None, shown):
        state.change(ratio=st.session_state[key] / 100, budget=None)


def _preset(ratio: float) -> None:
    state.change(criterion="dimap", scope="module", ratio=ratio, budget=None, overrides=(), cost_exponent=0.0)


def _stages() -> None:
    word = _stage_word()
    for (stage, _), ratio in state.current().plan.overrides:
        key = f"w_stage_{stage}"
        _percent(f"{word} {stage + 1}", key, ratio, _override_changed, ((stage, None), key))


def _stage_word() -> str:
    """What a stage is called, by the model itself; "Part" until it is open."""
    anatomy = opening.anatomy(state.current())
    return "Part" if anatomy is None else anatomy.stage_word.capitalize()


def _kinds() -> None:
    own = dict(state.current().plan.overrides)
    for kind in KINDS:
        cell, key = (None, kind), f"w_kind_{kind}"
        _percent(plan_names.KIND_LABELS[kind], key, own.get(cell, 0.0), _override_changed, (cell, key))


def _override_changed(cell: Cell, key: str) -> None:
    # The browser may still send a control's value after the mode that showed it was left.
    if st.session_state.mode not in ("kinds", "stages", "grid") or st.session_state[key] is None:
        return
    overrides = {**dict(state.current().plan.overrides), cell: st.session_state[key] / 100}
    state.change(overrides=sort_overrides(overrides))


def _grid() -> None:
    own, modules = dict(state.current().plan.overrides), columns(state.current().plan.granularity)
    widths, word = [0.45, *[1] * len(modules)], _stage_word()
    for column, title in zip(
        st.columns(widths, gap="xsmall"), ("%", *(plan_names.SHORT[m] for m in modules)), strict=True
    ):
        column.caption(title)
    for stage in sorted({stage for stage, _ in own if stage is not None}):
        first, *fields = st.columns(widths, gap="xsmall", vertical_alignment="center")
        first.caption(str(stage + 1))
        for column, module in zip(fields, modules, strict=True):
            key, ratio = f"w_cell_{stage}_{module}", own.get((stage, module), own.get((stage, None), 0.0))
            column.number_input(
                f"{word} {stage + 1}, {module}, %", 0.0, 99.9, state.fill(key, round(100 * ratio, 1)),
                key=key, step=5.0, format="%g",
                label_visibility="collapsed", on_change=_override_changed, args=((stage, module), key),
            )  # fmt: skip


def _budget() -> None:
    plan = state.current().plan
    _percent("Remove this share of all", "w_budget", plan.budget or 0.0, _budget_changed, help=TERMS["budget"])
    st.segmented_control(
        "Budget in", ["macs", "params"], default=state.fill("w_kind", plan.budget_kind),
        key="w_kind", on_change=_budget_changed, required=True,
        format_func={"macs": "MACs", "params": "params"}.get, label_visibility="collapsed",
    )  # fmt: skip


def _budget_changed() -> None:
    if st.session_state.mode != "budget":
        return
    state.change(ratio=None, budget=st.session_state.w_budget / 100, budget_kind=st.session_state.w_kind or "macs")


def _pattern() -> None:
    st.segmented_control(
        "Pattern", PATTERNS, default=state.fill("w_nm", state.current().plan.nm), key="w_nm", on_change=state.take,
        args=("nm",), required=True, help=TERMS["nm"],
    )  # fmt: skip


def _rounding(plan: PruningPlan) -> None:
    """Sizes that hardware likes."""
    st.toggle(
        "Keep multiples of 8", state.fill("w_round", plan.round_to == 8), key="w_round", on_change=_round_changed,
        help=TERMS["round"],
    )  # fmt: skip


def _round_changed() -> None:
    state.change(round_to=8 if st.session_state.w_round else 1)
