"""The model picker: bundled models, timm's, published ones, or the file that is open."""

from __future__ import annotations

import re
from dataclasses import replace

import streamlit as st

from dimap_core.data import image_set
from dimap_core.models import BUNDLED, NOTE, entries_by_name, in_a_line, presets

from ..look import formats
from ..session import Setting, cache, opening, own_models, state
from . import control

_ENDINGS = (".pth", ".pt", ".tar", ".ckpt", ".bin", ".safetensors", ".npz", ".zip")
_ALL, _OURS, _SPVIT = "all", "this project's", "SPViT's"
_BEGINS = {"Swin": "swin_", "SwinV2": "swinv2_", "DeiT": "deit"}  # how timm's names of a family begin; the rest are ViT


def draw() -> None:
    """The picker, what is known of the model, and whether its weights are random."""
    setting, cards = state.current(), cache.cards()
    families = _names()
    chosen = st.pills(
        "Family", list(families), default=_ALL, key="model_family", required=True, label_visibility="collapsed",
        persist_state="session", on_change=_forget_words,
    )  # fmt: skip
    words = st.session_state.get("model_words", "")
    names = _with(words, families[_ALL]) if words else families[chosen or _ALL]
    options = list(names) if setting.model in names else [setting.model, *names]
    # Options are told apart by their labels: a file may be called like a model.
    own = {setting.model: f"{own_models.shown(setting.model)} (your file)"} if setting.name.brought else {}
    st.selectbox(
        "Model", options, options.index(setting.model),
        format_func=lambda name: own.get(name) or names.get(name) or families[_ALL].get(name, name),
        accept_new_options=True, **control.filled("w_model", setting.model, _model_changed),
        help="Type words of a name and its input, as 'swin base 384', then Enter where none is shown. The list holds "
        "bundled models, and timm's Swin, SwinV2, DeiT and ViT with pretrained weights. Any other of timm's names can "
        "be typed whole; so can a path on this machine (~/model.pth) and a Hugging Face id "
        "(microsoft/swin-tiny-patch4-window7-224).",
    )  # fmt: skip
    if words:
        st.caption(f"{len(names)} models fit “{formats.plain(words)}”; the list holds these alone.")
    _facts(setting)
    if setting.model not in cards and not setting.name.brought and not setting.name.repository:
        st.toggle(
            "Random weights", setting.weights == "random",
            **control.filled("w_random", setting.weights == "random", _weights_changed),
            help="Counts are right with any weights; accuracy means nothing on random ones.",
        )  # fmt: skip


def _facts(setting: Setting) -> None:
    """What is known of the model: of a bundled one its card, of others what lists and an open one tell."""
    entry, cards = entries_by_name().get(setting.model), cache.cards()
    if setting.model in cards:
        card = cards[setting.model]
        known = image_set(card["data"])
        on = known.label if known and not known.load else card["data"].replace("-", " ")
        judged = f" ({card['judged']})" if "judged" in card else ""
        st.caption(f"Trained by this project on {on}, judged on {card['n']:,} images{judged}.")
        if "attention" in card:
            st.caption(f"{card['attention']}.")
    elif entry is not None:
        st.caption(f"{setting.model}: {entry.facts}.")
    elif setting.model in presets():
        st.caption(NOTE)
    if setting.model not in cards:
        _read_as(setting)


def _read_as(setting: Setting) -> None:
    """The line on what an open model was read as, and what was guessed."""
    place = opening.ready_folder(setting)
    if place is not None:
        info, anatomy, _ = cache.model(place)
        notes = (re.sub(r" \(FILE@[^)]*\)", "", note) for note in info.notes)  # here a control says it
        st.caption(formats.plain(" ".join((in_a_line(info, anatomy), *notes))))


@st.cache_resource(show_spinner=False)
def _names() -> dict[str, dict[str, str]]:
    """What the picker offers: family -> name -> label; bundled models first, timm's by size and input."""
    ours = {name: name for name in cache.cards()}
    spvit = {name: f"{name}, published by SPViT" for name in presets()}
    timm: dict[str, dict[str, str]] = {family: {} for family in (*_BEGINS, "ViT")}
    for entry in sorted(entries_by_name().values(), key=lambda entry: (entry.params, entry.input_size, entry.name)):
        family = next((family for family, begin in _BEGINS.items() if entry.name.startswith(begin)), "ViT")
        # A list is searched by letters in their order, so what stands joined in a name follows as words.
        words = re.split(r"_patch|_window|\.", entry.name)[0].replace("_", " ")
        timm[family][entry.name] = f"{entry.name}, {entry.params / 1e6:.3g} M, {words}, {entry.input_size} px"
    every = ours | {name: label for names in timm.values() for name, label in names.items()} | spvit
    return {_ALL: every, _OURS: ours, **timm, _SPVIT: spvit}


def _with(words: str, names: dict[str, str]) -> dict[str, str]:
    """Those whose labels have all words, in any order."""
    wanted = words.lower().split()
    return {name: label for name, label in names.items() if all(word in label.lower() for word in wanted)}


def _forget_words() -> None:
    st.session_state.pop("model_words", None)


def _model_changed() -> None:
    name = (st.session_state.w_model or state.current().model).strip()
    _forget_words()
    fitting = list(_with(name, _names()[_ALL])) if " " in name else []
    if len(fitting) > 1:
        st.session_state.model_words = name
        return
    name = fitting[0] if fitting else _as_path(name)
    bundled = any(spec.name == name for spec in BUNDLED)
    # Names of stages are alike in all models, so the plan stays; layers' names are not.
    plan = replace(state.current().plan, protected=())
    weights = "pretrained" if bundled else state.current().weights
    state.go(replace(state.current(), model=name, weights=weights, plan=plan, classes=()))


def _as_path(name: str) -> str:
    """A name that was typed or pasted; what begins or ends as paths do is one."""
    begins = name.startswith(("/", "~", "./", "../")) or name.lower().endswith(_ENDINGS)
    return f"file:{name}" if begins and not name.startswith("file:") else name


def _weights_changed() -> None:
    state.go(replace(state.current(), weights="random" if st.session_state.w_random else "pretrained"))
