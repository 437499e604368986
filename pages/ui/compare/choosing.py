"""Which two are compared: kept cuts, the cut in force, the dense model; two chips in a sentence.

Next door: `standing` has what is found of them.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dimap_core.studies import story as core

from ..look import plan_names
from ..session import lesson, state, story
from ..story import keep

_KEYS = ("compare_first", "compare_second")


@dataclass(frozen=True)
class Side:
    """One of both: its `mark` in a circle, what sentences call it, its name and sentence, and the cut; None: the
    dense model of the other one."""

    option: str
    mark: str
    called: str
    name: str
    note: str = ""
    kept: story.Kept | None = None

    @property
    def label(self) -> str:
        """As a chip says it."""
        return f"{self.mark} {self.name}"

    @property
    def in_force(self) -> bool:
        """Whether it is the cut in force."""
        return self.kept is not None and self.kept.setting == state.current()


def options() -> dict[str, Side]:
    """All that can be chosen: the story's cuts in their order, the cut in force unless it is one of them, dense."""
    sides = [
        Side(f"{one.key}", letter, letter, one.cut.name or f"Cut {letter}", one.cut.note, one)
        for letter, one in zip(core.LETTERS, story.kept(), strict=False)
    ]
    if not story.letter(state.current()):
        now = story.named(state.current(), plan_names.label(state.current().plan))
        sides.append(Side(story.NOW, "★", "this cut", "The cut in force", "", story.Kept(-1, now)))
    sides.append(Side(story.DENSE, "○", "dense", "Dense", "Nothing is cut."))
    return {side.option: side for side in sides}


def sides() -> tuple[Side, Side]:
    """The two that are compared: as chosen, or as far as that is no more there, the first two of the story; with fewer
    kept, the cut in force and the dense model take part."""
    there, chosen = options(), [_resolved(option) for option in story.compared() or ()]
    if len({*chosen}) == 2 and {*chosen} <= there.keys():
        first, second = chosen
    else:
        first, second = _default(list(there))
    return there[first], there[second]


def _resolved(option: str) -> str:
    """The cut in force goes by its letter once it is kept."""
    letter = story.letter(state.current())
    return f"{story.kept()[core.LETTERS.index(letter)].key}" if option == story.NOW and letter else option


def _default(there: list[str]) -> tuple[str, str]:
    *cuts, dense = there
    return (cuts[0], cuts[1]) if len(cuts) > 1 else (dense, cuts[0])


def controls(facts: str) -> DeltaGenerator:
    """The sentence with both chips, and its row; `facts`: what both are judged by, behind it."""
    there, chosen = options(), sides()
    row = st.container(horizontal=True, vertical_alignment="center", gap="xsmall", key="compare_choice")
    # Streamlit tells what was chosen by its label: with other labels they are other controls.
    labels = zlib.crc32("\n".join(side.label for side in there.values()).encode())
    with row:
        for place, (word, name, side) in enumerate(zip(("Compare", "with"), _KEYS, chosen, strict=True)):
            key = f"{name}-{labels}"
            st.markdown(word, width="content")
            st.selectbox(
                ("First cut", "Second cut")[place], list(there), list(there).index(state.fill(key, side.option)),
                key=key, format_func=lambda option: there[option].label if option in there else "", width=250,
                label_visibility="collapsed", on_change=_take, args=(place, key),
            )  # fmt: skip
        st.button("Swap", key="compare_swap", on_click=_swap, type="tertiary", icon=":material/swap_horiz:")
        keep.present()
        st.caption(facts)
    return row


def _take(place: int, key: str) -> None:
    """What the chip shows; choosing the other one's cut swaps both."""
    pair = [side.option for side in sides()]
    if st.session_state[key] == pair[1 - place]:
        pair.reverse()
    else:
        pair[place] = st.session_state[key]
    _compare(*pair)


def _swap() -> None:
    first, second = sides()
    _compare(second.option, first.option)


def _compare(first: str, second: str) -> None:
    """Keep the choice, in the address too: a fragment's own runs end before the page's mirror."""
    story.compare(first, second)
    state.mirror(own=not lesson.title())
