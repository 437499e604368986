"""The sidebar: model, criterion, scope and how much to cut. Drawn by app.py, so it is there on every page.

Every control is filled from the setting before it is drawn; its callback replaces the setting.
"""

from __future__ import annotations

import json
from dataclasses import replace

import streamlit as st

from dimap_core.bundled import BUNDLED
from dimap_core.catalogue import by_name
from dimap_core.criteria import CRITERIA, criterion
from dimap_core.plan import MOST_IMAGES, SCOPES
from dimap_core.presets import NOTE, presets

from . import amount, brought, cache, pictures, state, widgets
from .glossary import TERMS

UNITS = {
    "weight": "single weights (zeros)",
    "structure": "whole structures (smaller)",
    "nm": "N of every M weights (zeros)",
}
SCOPE_LABELS = {
    "layer": "each layer alone (uniform)",
    "stage-module": "stage × module",
    "module": "module (DIMAP)",
    "model": "whole model (LAMP)",
}
GROUP_SCOPE_LABELS = {
    "layer": "each block and kind alone",
    "stage-module": "stage × kind",
    "module": "kind",
    "model": "whole model",
}


def draw() -> None:
    """All controls, top to bottom."""
    with st.sidebar:
        _model()
        brought.controls()
        pictures.draw()
        _units()
        _ranking()
        amount.draw()
        _images()
        _steps_back()
        _recipe()


def _model() -> None:
    setting, cards = state.current(), cache.cards()
    options = _names() if setting.model in _names() else [setting.model, *_names()]
    # Options are told apart by their labels: a file may be called like a model.
    own = {setting.model: f"{brought.shown(setting.model)} (your file)"} if brought.is_brought(setting.model) else {}
    st.selectbox(
        "Model", options, options.index(widgets.fill("w_model", setting.model)),
        format_func=lambda name: own.get(name) or _label(name),
        key="w_model", accept_new_options=True, on_change=_model_changed,
        help="Type a part of a name: bundled models, and timm's Swin, SwinV2, DeiT and ViT with pretrained weights. "
        "Any other of timm's names can be typed whole.",
    )  # fmt: skip
    entry = by_name().get(setting.model)
    if setting.model in cards:
        card = cards[setting.model]
        st.caption(f"Trained by this project on {card['data'].replace('-', ' ')}, judged on {card['n']:,} images.")
        if "attention" in card:
            st.caption(f"{card['attention']}.")
    elif entry is not None:
        st.caption(f"{entry.facts}.")
    elif setting.model in presets():
        st.caption(NOTE)
    if setting.model not in cards and not brought.is_brought(setting.model):
        st.toggle(
            "Random weights", widgets.fill("w_random", setting.weights == "random"),
            key="w_random", on_change=_weights_changed,
            help="Counts are right with any weights; accuracy means nothing on random ones.",
        )  # fmt: skip


@st.cache_resource(show_spinner=False)
def _names() -> list[str]:
    """What the picker offers: bundled models first."""
    return [*cache.cards(), *by_name(), *presets()]


def _label(name: str) -> str:
    entry = by_name().get(name)
    if name in presets():
        return f"{name} · published by SPViT"
    return entry.label if entry is not None else name


def _model_changed() -> None:
    name = (st.session_state.w_model or state.current().model).strip()
    bundled = any(spec.name == name for spec in BUNDLED)
    # Names of stages are alike in all models, so the plan stays; layers' names are not.
    plan = replace(state.current().plan, protected=())
    weights = "pretrained" if bundled else state.current().weights
    state.go(replace(state.current(), model=name, weights=weights, plan=plan, classes=()))


def _weights_changed() -> None:
    state.go(replace(state.current(), weights="random" if st.session_state.w_random else "pretrained"))


def _units() -> None:
    place = list(UNITS).index(widgets.fill("w_granularity", state.current().plan.granularity))
    st.selectbox(
        "What to remove", list(UNITS), place, key="w_granularity", format_func=UNITS.get, on_change=_units_changed,
        help=TERMS["granularity"],
    )  # fmt: skip


def _units_changed() -> None:
    """The same amount of another unit, as far as it can be said there."""
    granularity, plan = st.session_state.w_granularity, state.current().plan
    if granularity is None:
        return
    amount = {"ratio": 0.5 if plan.ratio is None and plan.budget is None else plan.ratio, "nm": None, "overrides": ()}
    if granularity == "nm":
        amount |= {"ratio": None, "budget": None, "cost_exponent": 0.0, "nm": "2:4"}
    if granularity != "structure":
        amount |= {"round_to": 1, "repair": False}
    if replace(plan, granularity=granularity).scored not in criterion(plan.criterion).scores:
        amount["criterion"] = state.Setting().plan.criterion
    state.change(granularity=granularity, protected=(), **amount)


def _ranking() -> None:
    plan = state.current().plan
    labels = {
        info.key: f"{info.label} (reads images)" if info.reads_images else info.label
        for info in CRITERIA
        if plan.scored in info.scores
    }
    info = next(info for info in CRITERIA if info.key == plan.criterion)
    st.selectbox(
        "Criterion", list(labels), list(labels).index(widgets.fill("w_criterion", plan.criterion)),
        key="w_criterion", format_func=labels.get, on_change=state.take,
        args=("criterion", list(labels)),
        help=f"{TERMS['criterion']} {info.label}: {info.summary} ({info.equation}; {info.paper})",
    )  # fmt: skip
    if plan.criterion == "random":
        seed = widgets.fill("w_seed", plan.seed)
        st.number_input(
            "Seed", 0, 2**32 - 1, seed, key="w_seed", on_change=state.take, args=("seed",), help=TERMS["seed"]
        )
    if plan.granularity == "nm":
        return
    groups = plan.granularity == "structure"
    scopes = GROUP_SCOPE_LABELS if groups else SCOPE_LABELS
    st.selectbox(
        "Structures compete within" if groups else "Weights compete within", SCOPES,
        SCOPES.index(widgets.fill("w_scope", plan.scope)), key="w_scope", format_func=scopes.get, on_change=state.take,
        args=("scope", SCOPES), help=TERMS["scope"],
    )  # fmt: skip
    options = sorted({0.0, 0.25, 0.5, 0.75, 1.0, float(plan.cost_exponent)})
    st.select_slider(
        "What do you pay for?", options, widgets.fill("w_cost_exponent", plan.cost_exponent),
        key="w_cost_exponent", on_change=state.take, args=("cost_exponent",),
        format_func=lambda a: {0.0: "params", 1.0: "MACs"}.get(a, f"{a:g}"), help=TERMS["pay"],
    )  # fmt: skip


def _images() -> None:
    """How many training images are read, where any are."""
    plan = state.current().plan
    if criterion(plan.criterion).reads_images or plan.repair:
        images = widgets.fill("w_images", plan.images)
        st.number_input(
            "Training images to read", 1, MOST_IMAGES, images, key="w_images", step=64, on_change=state.take,
            args=("images",), help=TERMS["images"],
        )  # fmt: skip


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
        st.code(text, language=None)
        st.download_button("Download", text, "recipe.json", "application/json", on_click="ignore", width="stretch")
        st.text_area("Paste a recipe", key="w_recipe", height=90, placeholder='{"version": 1, ...}')
        st.button("Load it", on_click=_load_recipe, width="stretch")


def _load_recipe() -> None:
    state.load_recipe(st.session_state.w_recipe)
