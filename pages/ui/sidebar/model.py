"""The model picker: bundled models, timm's, published ones, or the file that is open."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from dimap_core.models import BUNDLED, NOTE, entries_by_name, presets

from ..session import cache, own_models, state


def draw() -> None:
    """The picker, what is known of the model, and whether its weights are random."""
    setting, cards = state.current(), cache.cards()
    options = _names() if setting.model in _names() else [setting.model, *_names()]
    # Options are told apart by their labels: a file may be called like a model.
    own = {setting.model: f"{own_models.shown(setting.model)} (your file)"} if setting.name.brought else {}
    st.selectbox(
        "Model", options, options.index(state.fill("w_model", setting.model)),
        format_func=lambda name: own.get(name) or _label(name),
        key="w_model", accept_new_options=True, on_change=_model_changed,
        help="Type a part of a name: bundled models, and timm's Swin, SwinV2, DeiT and ViT with pretrained weights. "
        "Any other of timm's names can be typed whole.",
    )  # fmt: skip
    entry = entries_by_name().get(setting.model)
    if setting.model in cards:
        card = cards[setting.model]
        st.caption(f"Trained by this project on {card['data'].replace('-', ' ')}, judged on {card['n']:,} images.")
        if "attention" in card:
            st.caption(f"{card['attention']}.")
    elif entry is not None:
        st.caption(f"{entry.facts}.")
    elif setting.model in presets():
        st.caption(NOTE)
    if setting.model not in cards and not setting.name.brought:
        st.toggle(
            "Random weights", state.fill("w_random", setting.weights == "random"),
            key="w_random", on_change=_weights_changed,
            help="Counts are right with any weights; accuracy means nothing on random ones.",
        )  # fmt: skip


@st.cache_resource(show_spinner=False)
def _names() -> list[str]:
    """What the picker offers: bundled models first."""
    return [*cache.cards(), *entries_by_name(), *presets()]


def _label(name: str) -> str:
    entry = entries_by_name().get(name)
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
