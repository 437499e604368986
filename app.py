"""Entry: page set-up, navigation over pages/, sidebar. The work is in dimap_core, what pages share in pages/ui."""

import streamlit as st

from pages.ui import frame, polling, sidebar, state, theme

st.set_page_config("DIMAP Explorer", page_icon="assets/icon.png", layout="wide")
theme.style()
state.start()

page = frame.navigation()
sidebar.draw()
state.mirror()
polling.page_began()
page.run()
polling.page_ended()
