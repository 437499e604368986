"""How a brought file is read: what no weight tells of it, where each value was learned, and saying it otherwise."""

from __future__ import annotations

import streamlit as st

from dimap_core.models import CROPS, INTERPOLATIONS, classes, written
from dimap_core.types import ModelInfo

from ..session import cache, opening, own_models, state
from . import control

_COLOURS = {
    "ImageNet’s": ("0.485,0.456,0.406", "0.229,0.224,0.225"),
    "0.5 each": ("0.5,0.5,0.5", "0.5,0.5,0.5"),
    "CIFAR-10’s": ("0.491,0.482,0.447", "0.247,0.243,0.262"),
    "as they are (0 and 1)": ("0,0,0", "1,1,1"),
}
_CROPPING = {"seen": "crop_mode", "of its side": "crop_pct", "resized": "interpolation"}
_CROPS = {"center": "the middle square", "squash": "the whole, squashed to a square"}


def draw() -> None:
    """Controls for the input size, mean and std, crop and interpolation of the file that is open."""
    setting = state.current()
    place = opening.ready_folder(setting)
    if place is None:
        return
    info, anatomy, _ = cache.model(place)
    with st.container(border=True, key="reading"):
        st.markdown("**How pictures are given to it** (no weight tells)")
        _size(info)
        if classes(anatomy):
            _colours(info)
            _cropping(info)
        if own_models.said(setting)[1]:
            st.button("As learned", on_click=_forget, icon=":material/undo:", help="Takes back all that is said here.")


def _size(info: ModelInfo) -> None:
    st.number_input(
        _label("Input size, px", info, "img_size"), 8, 1024, info.input_size, step=8,
        **control.filled("w_img_size", info.input_size, _said, "img_size"),
        help="A Swin’s weights fit several sizes; a ViT’s tell theirs, and another one is refused.",
    )  # fmt: skip


def _colours(info: ModelInfo) -> None:
    now = tuple(written(info)[key] for key in ("mean", "std"))
    names = {values: name for name, values in _COLOURS.items()}
    shown = next((name for values, name in names.items() if _same(values, now)), " / ".join(now))
    options = [*_COLOURS] if shown in _COLOURS else [*_COLOURS, shown]
    st.selectbox(
        _label("Mean and std", info, "mean"), options, options.index(shown), accept_new_options=True,
        **control.filled("w_colours", shown, _colours_said),
        help="Pixels on a scale of 0 to 1, minus the mean, over the standard deviation: what the model was trained "
        "with. Wrong ones cost points without a word. Others are typed as 0.5,0.5,0.5 / 0.25,0.25,0.25",
    )  # fmt: skip


def _same(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether both are the same numbers, to a thousandth."""
    pairs = zip(",".join(one).split(","), ",".join(other).split(","), strict=False)
    return all(abs(float(a) - float(b)) < 1e-3 for a, b in pairs)


def _cropping(info: ModelInfo) -> None:
    left, middle, right = st.columns(3, gap="xsmall")
    left.selectbox(
        "Seen", CROPS, CROPS.index(info.crop_mode), format_func=_CROPS.get,
        **control.filled("w_crop_mode", info.crop_mode, _said, "crop_mode"),
    )  # fmt: skip
    share = round(100 * info.crop_pct, 1)
    middle.number_input(
        "Of its side, %", 10.0, 100.0, share, step=2.5, format="%g",
        **control.filled("w_crop_pct", share, _share_said),
    )  # fmt: skip
    right.selectbox(
        "Resized", INTERPOLATIONS, INTERPOLATIONS.index(info.interpolation),
        **control.filled("w_interpolation", info.interpolation, _said, "interpolation"),
    )  # fmt: skip
    told = {name: info.learned[key] for name, key in _CROPPING.items() if info.learned.get(key)}
    if told:
        ways = [*dict.fromkeys(told.values())]
        each = [f"{name}: {how}" for name, how in told.items()]
        st.caption("; ".join(ways if len(ways) == 1 else each) + ".")


def _label(name: str, info: ModelInfo, key: str) -> str:
    return f"{name} :small[({info.learned[key]})]" if info.learned.get(key) else name


def _said(key: str) -> None:
    value = st.session_state[f"w_{key}"]
    if value is not None:
        own_models.say(state.current(), **{key: str(value)})


def _share_said() -> None:
    share = st.session_state.w_crop_pct
    if share is not None:
        own_models.say(state.current(), crop_pct=f"{share / 100:g}")


def _colours_said() -> None:
    chosen = st.session_state.w_colours or ""
    mean, _, std = chosen.replace(" ", "").partition("/")
    mean, std = _COLOURS.get(chosen, (mean, std or mean))
    own_models.say(state.current(), mean=mean, std=std)


def _forget() -> None:
    own_models.read_as(state.current(), own_models.said(state.current())[0])
