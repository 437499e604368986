"""How much to cut: one ratio, one per kind, stage or cell, a budget or a pattern."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dimap_core.plan import PATTERNS, ratios_in_force, sort_overrides
from dimap_core.studies import columns
from dimap_core.types import KINDS, Cell, PruningPlan

from ..look import TERMS, formats, plan_names
from ..session import opened, opening, state
from . import control, percent

Ratios = tuple[tuple[Cell, float], ...]
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
    """Ratios, a budget or a pattern."""
    plan = state.current().plan
    if plan.granularity == "nm":
        _pattern()
    else:
        _amount(plan)


def _amount(plan: PruningPlan) -> None:
    """Ratios or a budget."""
    hidden = {"pattern"} | ({"kinds"} if plan.granularity == "weight" else set())
    if opening.anatomy(state.current()) is None:  # how many stages there are is not known yet
        hidden |= {"stages", "grid"}
    modes = [mode for mode in _MODES if mode not in hidden or mode == st.session_state.mode]
    st.selectbox(
        "How much to cut", modes, modes.index(st.session_state.mode), format_func=_MODES.get, help=TERMS["ratio"],
        **control.filled("w_mode", st.session_state.mode, _mode_changed),
    )  # fmt: skip
    controls = {"one": _one, "kinds": _kinds, "stages": _stages, "grid": _grid, "budget": _budget}
    controls[st.session_state.mode]()


def _mode_changed() -> None:
    """Another control shows the same cut; only one ratio for all cannot show ratios of its parts."""
    mode, plan = st.session_state.w_mode or st.session_state.mode, state.current().plan
    if mode == "one" and plan.overrides:
        state.change(ratio=opened.common_ratio(), budget=None, overrides=())
    else:
        st.session_state.mode = mode


def _one() -> None:
    plan = state.current().plan
    if plan.ratio is None and opened.in_force() is None:
        return _not_yet()
    ratio = opened.common_ratio()
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    with left:
        percent.slider("Remove", "w_ratio", ratio, _slid)
    percent.field(right, "Remove, %", "w_typed", ratio, _one_changed)
    if plan.granularity == "structure":
        return None  # the paper's cuts are of single weights
    with st.container(horizontal=True, gap="xsmall"):
        for name, preset in _PRESETS.items():
            help_text = f"The paper's cut of {100 * preset:.0f} %."
            st.button(name, key=f"w_{name}", on_click=_preset, args=(preset,), help=help_text)
    return None


def _slid() -> None:
    if st.session_state.w_ratio is not None:
        _one_changed(st.session_state.w_ratio)


def _one_changed(share: float) -> None:
    # The browser may still send a control's value after the mode that showed it was left.
    if st.session_state.mode == "one":
        state.change(ratio=share / 100, budget=None)


def _preset(ratio: float) -> None:
    if state.current().plan.granularity == "weight":
        state.change(criterion="dimap", scope="module", ratio=ratio, budget=None, overrides=(), cost_exponent=0.0)


def _not_yet() -> None:
    st.caption("The shares that go are shown once the model is scored.")


def _own(mode: str, cells: Sequence[Cell]) -> Ratios:
    """The ratios that sliders start from: the plan's own, and of parts without one what the cut in force removes of
    them; empty while neither is known."""
    plan = state.current().plan
    own = dict(plan.overrides) if state.mode_of(plan) == mode else {}
    if set(cells) <= own.keys():
        return plan.overrides
    found = opened.in_force()
    shares = {} if found is None else dict(ratios_in_force(*found[:2], plan, cells))
    return sort_overrides({**shares, **{cell: own[cell] for cell in cells if cell in own}})


def _override_changed(cell: Cell, shown: Ratios, share: float) -> None:
    """The first move makes the shares in force the plan's own ratios, with one of them changed."""
    mode, plan = "kinds" if cell[0] is None else "grid" if cell[1] else "stages", state.current().plan
    if st.session_state.mode != mode:
        return  # the browser may still send a control's value after the mode that showed it was left
    own = dict(plan.overrides if state.mode_of(plan) == mode else shown)
    state.change(ratio=plan.ratio or 0.0, budget=None, overrides=sort_overrides({**own, cell: share / 100}))


def _own_slid(cell: Cell, shown: Ratios, key: str) -> None:
    if st.session_state[key] is not None:
        _override_changed(cell, shown, st.session_state[key])


def _stages() -> None:
    anatomy = opening.anatomy(state.current())
    cells: list[Cell] = [(stage.index, None) for stage in anatomy.stages] if anatomy else []
    shown = _own("stages", cells) or _not_yet() or ()
    for cell, ratio in shown:
        key = f"w_stage_{cell[0]}"
        percent.slider(f"{_stage_word()} {(cell[0] or 0) + 1}", key, ratio, _own_slid, (cell, shown, key))


def _stage_word() -> str:
    """What a stage is called, by the model itself; "Part" until it is open."""
    anatomy = opening.anatomy(state.current())
    return "Part" if anatomy is None else anatomy.stage_word.capitalize()


def _kinds() -> None:
    shown = _own("kinds", [(None, kind) for kind in KINDS]) or _not_yet() or ()
    for kind in KINDS:
        cell, key = (None, kind), f"w_kind_{kind}"
        if cell in dict(shown):
            percent.slider(plan_names.KIND_LABELS[kind], key, dict(shown)[cell], _own_slid, (cell, shown, key))


def _grid() -> None:
    anatomy, modules = opening.anatomy(state.current()), columns(state.current().plan.granularity)
    stages = [stage.index for stage in anatomy.stages] if anatomy else []
    shown = _own("grid", [(stage, module) for stage in stages for module in modules]) or _not_yet() or ()
    widths, word = [0.45, *[1] * len(modules)], _stage_word()
    for column, title in zip(
        st.columns(widths, gap="xsmall"), ("%", *(plan_names.SHORT[m] for m in modules)), strict=True
    ):
        column.caption(title)
    for stage in stages:
        first, *fields = st.columns(widths, gap="xsmall", vertical_alignment="center")
        first.caption(str(stage + 1))
        for column, module in zip(fields, modules, strict=True):
            cell = (stage, module)
            if cell in dict(shown):
                percent.field(
                    column, f"{word} {stage + 1}, {module}, %", f"w_cell_{stage}_{module}", dict(shown)[cell],
                    _override_changed, (cell, shown),
                )  # fmt: skip


def _budget() -> None:
    """The share that the cut in force removes, until another is asked for."""
    plan, found = state.current().plan, opened.in_force()
    kind = plan.budget_kind if plan.budget is not None else st.session_state.get("w_kind") or plan.budget_kind
    if plan.budget is None and found is None:
        return _not_yet()
    share = plan.budget if found is None or plan.budget is not None else formats.removed(found[2].total, kind)
    percent.slider("Remove this share of all", "w_budget", share or 0.0, _budget_slid, help=TERMS["budget"])
    st.segmented_control(
        "Budget in", ["macs", "params"], default=kind, **control.filled("w_kind", kind, _kind_changed),
        required=True, format_func={"macs": "MACs", "params": "params"}.get, label_visibility="collapsed",
    )  # fmt: skip
    return None


def _budget_slid() -> None:
    if st.session_state.mode != "budget" or st.session_state.w_budget is None:
        return
    plan, kind = state.current().plan, st.session_state.w_kind or "macs"
    overrides = () if plan.budget is None else plan.overrides  # own ratios give way to the one that is solved for
    state.change(ratio=None, budget=st.session_state.w_budget / 100, budget_kind=kind, overrides=overrides)


def _kind_changed() -> None:
    if st.session_state.mode == "budget" and state.current().plan.budget is not None:
        state.change(budget_kind=st.session_state.w_kind or "macs")


def _pattern() -> None:
    shown = state.current().plan.nm
    st.segmented_control(
        "Pattern", PATTERNS, default=shown, required=True, help=TERMS["nm"],
        **control.filled("w_nm", shown, state.take, "nm", PATTERNS, ("nm",)),
    )  # fmt: skip
