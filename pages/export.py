"""Export: how do I take it home? Report, story, checkpoint, ONNX, recipe, every tried point as CSV; downloads don't
rerun the page."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import streamlit as st

from pages.ui.export import downloads, report, stories, tried_points
from pages.ui.look import frame
from pages.ui.parts import header
from pages.ui.session import View, own_models, state

LOADER = """from dimap_core import load_model

# the unzipped folder is all it needs
model, info = load_model("checkpoint")
print(info.name, info.input_size)
"""
ELSEWHERE = """# run in the unzipped folder, with torch, timm and safetensors
from load_pruned import load

model = load(".")
"""


def main() -> None:
    """What can be taken home: what was found first, then what was cut."""
    view = header.begin()
    if view is None:
        return
    left, right = st.columns(2, gap="medium")
    with left:
        report.draw(view)
    with right:
        stories.draw()
    name = Path(own_models.shown(view.info.name)).stem
    left, right = st.columns(2, gap="medium")
    with left:
        st.subheader("Checkpoint", anchor=False)
        smaller = view.selection.granularity == "structure"
        size = "a smaller model" if smaller else "the same size, with zeros"
        st.markdown(
            f"One zip of safetensors, recipe and card: {size}. It loads without pickle and without the original."
        )
        downloads.prepared(view, downloads.File("checkpoint", "open", f"{name}-pruned.zip", "application/zip"))
        its_own = view.info.dense.get("file") == "" or state.current().name.repository  # not what it was cut from
        if view.info.source == "file" and its_own and not smaller:
            same_layout(view, name)
        with st.expander("Load it in Python"):
            st.code(LOADER, language=None)  # its colours would stand out too little
            st.markdown("Where this project is not installed:")
            st.code(ELSEWHERE, language=None)
    with right:
        st.subheader("ONNX", anchor=False)
        st.markdown("For other runtimes, any batch size: input `images`, normalised, output `logits`.")
        downloads.prepared(view, downloads.File("onnx", "live", f"{name}-pruned.onnx", "application/octet-stream"))
        st.subheader("Recipe", anchor=False)
        st.markdown("JSON, to paste under More or to pass to `prune --recipe`.")
        recipe = json.dumps(state.current().recipe(), indent=1)
        st.download_button("Download recipe.json", recipe, "recipe.json", "application/json", on_click="ignore")
    st.subheader("All tried points", anchor=False)
    points()


def same_layout(view: View, name: str) -> None:
    """The file or repository that was opened, with the weights of this cut."""
    st.markdown("Or as it came, with this cut's weights: same names, types and form. What loads the original loads it "
                "too: Hugging Face, torchvision, OpenMMLab, timm, your own script.")  # fmt: skip
    brought = Path(own_models.shown(str(replace(state.current().name, architecture="")))).suffix
    downloads.prepared(view, downloads.File("source", "open", f"{name}-pruned{brought}", "application/octet-stream"))


def points() -> None:
    """Everything on the trade-off plot as a table and as CSV."""
    table = tried_points.table([point for point in st.session_state.history if point.estimate])
    if table.empty:
        st.markdown("None yet: every cut that is judged on the Prune page appears here.")
        return
    st.dataframe(table, hide_index=True)
    st.download_button("Download points.csv", table.to_csv(index=False), "points.csv", "text/csv", on_click="ignore")


frame.enter()
main()
