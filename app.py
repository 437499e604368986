"""Entry: page set-up, navigation over pages/, sidebar. The work is in dimap_core, what pages share in pages/ui."""

import streamlit as st

from pages.ui import sidebar, state, theme

st.set_page_config("DIMAP Explorer", page_icon="assets/icon.png", layout="wide")
theme.style()
state.start()

page = st.navigation(
    [
        st.Page("pages/prune.py", title="Prune", icon=":material/content_cut:", default=True),
        st.Page("pages/weights.py", title="Weights", icon=":material/equalizer:", url_path="weights"),
        st.Page("pages/importance.py", title="Importance", icon=":material/grid_on:", url_path="importance"),
    ],
    position="top",
)
sidebar.draw()
state.mirror()
page.run()
