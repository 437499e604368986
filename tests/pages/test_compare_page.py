"""The Compare page: what was measured, what is missing, and papers' figures in a table of their own."""

from dimap_core import published
from dimap_core.comparison import METHODS, read
from dimap_core.figures.comparison import COLORS


def test_the_page_shows_what_was_measured_and_names_what_was_not(app):
    app.at.switch_page("pages/compare.py")
    app.run()
    rows = read()
    for model in sorted({row.model for row in rows} | {"swin-digits"}):
        app.set("compare_model", model).set("compare_budget", "both")
        mine = [row for row in rows if row.model == model]
        texts = " ".join(app.texts())
        if len(mine) < len(COLORS) * len(METHODS):
            assert "Not measured here yet" in texts
        if not mine:
            assert "Nothing was measured" in texts
            continue
        notes = [note["text"] for note in app.figure("comparison")["layout"]["annotations"]]
        assert len(notes) == len(mine) + 1
        assert f"{mine[0].n:,}" in texts and "95 %" in texts
    papers = app.at.dataframe[-1].value
    assert len(papers) == len(published.results()) and "Printed in" in papers.columns
    assert any("Never mixed" in text for text in app.texts())
