"""The Compare page: what was measured, what is missing, and papers' figures in a table of their own."""

from dimap_core.models import published
from dimap_core.training.methods.comparison import BUDGETS, leaders, missing, read
from pages.ui.session import cache


def test_the_page_shows_what_was_measured_and_names_what_was_not(app):
    app.at.switch_page("pages/compare.py")
    app.run()
    rows = read()
    for model in sorted({row.model for row in rows} | {"swin-digits"}):
        app.set("compare_model", model).set("compare_budget", "both")
        mine = [row for row in rows if row.model == model]
        texts = " ".join(app.texts())
        assert ("Not measured yet at" in texts) == any(missing(mine, model, budget) for budget in BUDGETS)
        for budget in BUDGETS:
            told = [text for text in app.texts() if text.startswith(f"**{100 * budget:.0f} % removed:**")]
            found = leaders(row for row in mine if row.budget == budget)
            assert len(told) == (found is not None)
            assert not told or (" leads with " in told[0]) != bool(found[1])
        if not mine:
            assert "Nothing was measured" in texts
            continue
        notes = [note["text"] for note in app.figure("comparison")["layout"]["annotations"]]
        assert len(notes) == len(mine) + 1
        sizes = app.at.dataframe[0].value["Params"]  # of zeros all that is there, and how much is not zero
        assert [" not zero" in size for size in sizes] == [row.params_nonzero is not None for row in mine]
        assert f"{mine[0].n:,}" in texts and "95 %" in texts
    papers = app.at.dataframe[-1].value
    assert len(papers) == len(published.results()) and "Printed in" in papers.columns
    assert any("Never mixed" in text for text in app.texts())


def test_the_sessions_own_results_join_the_plot_and_those_on_other_images_do_not(open_app, tmp_path, monkeypatch):
    monkeypatch.setenv("DIMAP_HOME", str(tmp_path))
    cache.kept_jobs.clear()
    ledger, tokens = cache.kept_jobs().ledger, []
    result = {"model": "swin-digits", "n": 540, "macs": 9_728_000, "params": 500_000}
    result |= {f"top1_{when}{ci}": [0.9, 0.97] if ci else 0.95 for when in ("before", "after") for ci in ("", "_ci95")}
    masked = {**result, "params": 1_511_310, "macs": 19_453_824, "params_nonzero": 500_000, "macs_nonzero": 7_781_530}
    for title, chosen, found in (
        ("swin-digits · mine", None, result),
        ("swin-digits · zeros", None, masked),
        ("swin-digits · elsewhere", {"source": "folder:/x"}, result),
    ):
        tokens.append(ledger.add("recover", title, {"images": chosen}))
        ledger.move(tokens[-1], "running", "waiting")
        ledger.finish(tokens[-1], found)
    app = open_app(model="swin-digits", jobs="~".join(tokens)).live()
    app.at.switch_page("pages/compare.py")
    notes = [note["text"] for note in app.run().figure("comparison")["layout"]["annotations"]]
    assert {note for note in notes if "Yours" in note} == {
        "<b>Yours: mine</b>  −50 % MACs",
        "<b>Yours: zeros</b>  −60 % MACs, zeros, not faster",
    }
    cache.kept_jobs.clear()
