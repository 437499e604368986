"""The sidebar: model, criterion, scope and how much to cut. Drawn by app.py, so it is there on every page.

Every control is filled from the setting before it is drawn; its callback replaces the setting.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import streamlit as st

from dimap_core.bundled import BUNDLED
from dimap_core.criteria import CRITERIA
from dimap_core.plan import SCOPES
from dimap_core.types import PRUNABLE_MODULES

from . import cache, state
from .glossary import TERMS

STEPS = (*range(0, 100, 5), 98)
MODES = {"one": "one ratio", "stages": "a ratio per stage", "grid": "a ratio per stage × module", "budget": "a budget"}
SCOPE_LABELS = {
    "layer": "each layer alone (uniform)",
    "stage-module": "stage × module",
    "module": "module (DIMAP)",
    "model": "whole model (LAMP)",
}
SUGGESTED = ("swin_tiny_patch4_window7_224", "swin_base_patch4_window7_224", "deit_tiny_patch16_224")
PRESETS = {"DIMAP1": 0.15, "DIMAP2": 0.35, "DIMAP3": 0.55}


def draw() -> None:
    """All controls, top to bottom."""
    with st.sidebar:
        _model()
        _ranking()
        _amount()
        _steps_back()
        _recipe()


def _fill(key: str, value: Any) -> Any:
    """Give a control its value, where it has another, and return it to be its default too.

    A value that is written overrides what the reader moved meanwhile, so only a new one is.
    """
    if key not in st.session_state or st.session_state[key] != value:
        st.session_state[key] = value
    return value


def _model() -> None:
    setting, cards = state.current(), cache.cards()
    names = [*cards, *SUGGESTED]
    options = names if setting.model in names else [*names, setting.model]
    st.selectbox(
        "Model", options, options.index(_fill("w_model", setting.model)),
        key="w_model", accept_new_options=True, on_change=_model_changed,
        help="A bundled model, or the name of any Swin or DeiT in timm (type it).",
    )  # fmt: skip
    if setting.model in cards:
        card = cards[setting.model]
        st.caption(f"Trained by this project on {card['data'].replace('-', ' ')}, judged on {card['n']:,} images.")
    else:
        st.toggle(
            "Random weights", _fill("w_random", setting.weights == "random"),
            key="w_random", on_change=_weights_changed,
            help="Counts are right with any weights; accuracy means nothing on random ones.",
        )  # fmt: skip


def _model_changed() -> None:
    name = (st.session_state.w_model or state.current().model).strip()
    bundled = any(spec.name == name for spec in BUNDLED)
    # Names of stages are alike in all models, so the plan stays; layers' names are not.
    plan = replace(state.current().plan, protected=())
    state.go(state.Setting(name, "pretrained" if bundled else state.current().weights, plan))


def _weights_changed() -> None:
    state.go(replace(state.current(), weights="random" if st.session_state.w_random else "pretrained"))


def _ranking() -> None:
    plan = state.current().plan
    labels = {info.key: info.label for info in CRITERIA}
    info = next(info for info in CRITERIA if info.key == plan.criterion)
    st.selectbox(
        "Criterion", list(labels), list(labels).index(_fill("w_criterion", plan.criterion)),
        key="w_criterion", format_func=labels.get, on_change=_field, args=("criterion",),
        help=f"{TERMS['criterion']} {info.label}: {info.summary} ({info.equation}; {info.paper})",
    )  # fmt: skip
    if plan.criterion == "random":
        seed = _fill("w_seed", plan.seed)
        st.number_input("Seed", 0, 2**32 - 1, seed, key="w_seed", on_change=_field, args=("seed",), help=TERMS["seed"])
    st.selectbox(
        "Weights compete within", SCOPES, SCOPES.index(_fill("w_scope", plan.scope)),
        key="w_scope", format_func=SCOPE_LABELS.get, on_change=_field,
        args=("scope",), help=TERMS["scope"],
    )  # fmt: skip
    options = sorted({0.0, 0.25, 0.5, 0.75, 1.0, float(plan.cost_exponent)})
    st.select_slider(
        "What do you pay for?", options, _fill("w_cost_exponent", plan.cost_exponent),
        key="w_cost_exponent", on_change=_field, args=("cost_exponent",),
        format_func=lambda a: {0.0: "params", 1.0: "MACs"}.get(a, f"{a:g}"), help=TERMS["pay"],
    )  # fmt: skip


def _field(name: str) -> None:
    value = st.session_state[f"w_{name}"]
    if value is not None:
        state.change(**{name: value})


def _amount() -> None:
    st.selectbox(
        "How much to cut", list(MODES), list(MODES).index(_fill("w_mode", st.session_state.mode)),
        key="w_mode", format_func=MODES.get, on_change=_mode_changed,
        help=TERMS["ratio"],
    )  # fmt: skip
    {"one": _one, "stages": _stages, "grid": _grid, "budget": _budget}[st.session_state.mode]()


def _mode_changed() -> None:
    """Say the same plan in another form, as far as that form can."""
    mode, plan = st.session_state.w_mode or st.session_state.mode, state.current().plan
    ratio = 0.5 if plan.ratio is None else plan.ratio
    own = dict(plan.overrides)
    if mode == "one":
        state.change(ratio=ratio, budget=None, overrides=())
    elif mode == "budget":
        state.change(ratio=None, budget=0.5, overrides=())
    elif mode == "stages":
        pairs = {str(stage): own.get((stage, None), ratio) for stage in range(4)}
        state.change(ratio=ratio, budget=None, overrides=state.cells(pairs))
    else:
        pairs = {
            f"{stage}:{module}": own.get((stage, module), own.get((stage, None), ratio))
            for stage in range(4)
            for module in PRUNABLE_MODULES
        }
        state.change(ratio=ratio, budget=None, overrides=state.cells(pairs))


def _percent(label: str, key: str, value: float, on_change, args: tuple = (), **more: Any) -> None:  # type: ignore[no-untyped-def]
    """A slider in steps of 5 % that also shows values typed elsewhere."""
    percent = round(100 * value, 1)
    options = sorted({*map(float, STEPS), percent})
    st.select_slider(
        label, options, _fill(key, percent), key=key, format_func=lambda v: f"{v:g} %", on_change=on_change, args=args,
        **more,
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
        "Remove, %", 0.0, 99.9, _fill(typed, percent),
        key=typed, step=1.0, format="%g", on_change=_one_changed, args=(typed, percent),
        label_visibility="collapsed",
    )  # fmt: skip
    for column, (name, preset) in zip(st.columns(3, gap="xsmall"), PRESETS.items(), strict=True):
        help_text = f"The paper's cut of {preset:.0%}."
        column.button(name, key=f"w_{name}", on_click=_preset, args=(preset,), help=help_text, width="stretch")


def _one_changed(key: str, shown: float | None = None) -> None:
    if st.session_state.mode == "one" and st.session_state[key] not in (None, shown):
        state.change(ratio=st.session_state[key] / 100, budget=None)


def _preset(ratio: float) -> None:
    state.change(criterion="dimap", scope="module", ratio=ratio, budget=None, overrides=(), cost_exponent=0.0)


def _stages() -> None:
    word = "Stage" if state.current().model.startswith("swin") else "Block group"
    for (stage, _), ratio in state.current().plan.overrides:
        key = f"w_stage_{stage}"
        _percent(f"{word} {stage + 1}", key, ratio, _override_changed, (str(stage), key))


def _override_changed(cell: str, key: str) -> None:
    # The browser may still send a control's value after the mode that showed it was left.
    if st.session_state.mode not in ("stages", "grid") or st.session_state[key] is None:
        return
    changed = dict(state.cells({cell: st.session_state[key] / 100}))
    overrides = {**dict(state.current().plan.overrides), **changed}
    state.change(overrides=tuple(overrides.items()))


def _grid() -> None:
    own = dict(state.current().plan.overrides)
    widths = [0.45, 1, 1, 1]
    for column, title in zip(st.columns(widths, gap="xsmall"), ("%", "QKV", "proj", "MLP"), strict=True):
        column.caption(title)
    for stage in sorted({stage for stage, _ in own}):
        first, *columns = st.columns(widths, gap="xsmall", vertical_alignment="center")
        first.caption(str(stage + 1))
        for column, module in zip(columns, PRUNABLE_MODULES, strict=True):
            key, ratio = f"w_cell_{stage}_{module}", own.get((stage, module), own.get((stage, None), 0.0))
            column.number_input(
                f"Stage {stage + 1}, {module}, %", 0.0, 99.9, _fill(key, round(100 * ratio, 1)),
                key=key, step=5.0, format="%g",
                label_visibility="collapsed", on_change=_override_changed, args=(f"{stage}:{module}", key),
            )  # fmt: skip


def _budget() -> None:
    plan = state.current().plan
    _percent("Remove this share of all", "w_budget", plan.budget or 0.0, _budget_changed, help=TERMS["budget"])
    st.segmented_control(
        "Budget in", ["macs", "params"], default=_fill("w_kind", plan.budget_kind),
        key="w_kind", on_change=_budget_changed, required=True,
        format_func={"macs": "MACs", "params": "params"}.get, label_visibility="collapsed",
    )  # fmt: skip


def _budget_changed() -> None:
    if st.session_state.mode != "budget":
        return
    state.change(ratio=None, budget=st.session_state.w_budget / 100, budget_kind=st.session_state.w_kind or "macs")


def _steps_back() -> None:
    left, right = st.columns(2, gap="xsmall")
    undo, redo = st.session_state.undo, st.session_state.redo
    left.button("Undo", shortcut="Ctrl+Z", on_click=state.back, width="stretch", disabled=not undo)
    right.button(
        "Redo", shortcut="Ctrl+Y", on_click=state.back, args=("redo", "undo"), width="stretch", disabled=not redo
    )


def _recipe() -> None:
    with st.expander("Recipe", icon=":material/receipt_long:"):
        text = json.dumps(state.recipe(state.current()), indent=1)
        st.code(text, language="json")
        st.download_button("Download", text, "recipe.json", "application/json", on_click="ignore", width="stretch")
        st.text_area("Paste a recipe", key="w_recipe", height=90, placeholder='{"version": 1, ...}')
        st.button("Load it", on_click=_load_recipe, width="stretch")


def _load_recipe() -> None:
    state.load_recipe(st.session_state.w_recipe)
