"""The class board, for a projector: the question with the class's guesses, and the scores of the game; no names."""

from __future__ import annotations

import streamlit as st

from dimap_core.types import PruningError
from pages.ui.board import board
from pages.ui.look import formats, frame


def main() -> None:
    """The board of the class that the address names; it opens a class that is not there yet."""
    try:
        board.draw()
    except PruningError as error:
        st.error(formats.plain(str(error)))


frame.enter()
main()
