"""Entry: page set-up, navigation over pages/, recipe line. Work is in dimap_core, what pages share in pages/ui."""

import sys

import streamlit as st

from dimap_core.types import PruningError
from pages.ui.look import frame, theme
from pages.ui.recipe_line import line
from pages.ui.session import cache, lesson, polling, state, story

# Streamlit's loop sends one message at a time and waits for the interpreter before each, by default 5 ms for every page
# that is being drawn: with many sessions most of a page's time.
sys.setswitchinterval(0.0005)
st.set_page_config("DIMAP Explorer", page_icon="assets/icon.png", layout="wide", initial_sidebar_state="collapsed")
theme.style()
try:
    cache.shared()
except PruningError as error:  # nowhere to keep anything
    st.error(str(error))
    st.stop()
state.start()
theme.pixels(state.current().drawn)

page = frame.navigation()
row, learning, presenting = frame.row_of(page), page.title == frame.LEARN, page.title == frame.PRESENT
st.session_state.page_key = row.key
if story.presented() and not presenting:
    st.switch_page(f"pages/{frame.PRESENT.lower()}.py")
if lesson.follow(learning):
    st.switch_page(f"pages/{frame.LEARN.lower()}.py")
taught = lesson.title()
frame.heading(page, taught)
if row.cut and row.line and not learning:
    line.draw()
frame.content()
if row.cut:
    more = lesson.to_link() if learning else story.slide_to_link() if presenting else {}
    state.mirror(more, own=not taught)
polling.page_began()
page.run()
polling.page_ended()
