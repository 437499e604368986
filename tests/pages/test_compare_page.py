"""The Compare page: two cuts against each other; what was measured, what is missing, and papers' figures."""

import json
from dataclasses import replace

import pytest

from dimap_core.models import published
from dimap_core.studies.story.links import to_link
from dimap_core.studies.story.story import NamedCut, Story
from dimap_core.training.methods.comparison import BUDGETS, highest, missing, read
from dimap_core.types.plan import PruningPlan
from pages.ui.compare import timed
from pages.ui.live import latency
from pages.ui.session import cache

RULE = NamedCut("By <b>rule</b>", "swin-digits", PruningPlan(ratio=0.9), "Ninety percent & no more")
MORE = NamedCut("More", "swin-digits", PruningPlan(ratio=0.95))


def compared(app):
    """The Compare page once all is found."""
    app.page_of("compare")
    return settled(app)


def settled(app):
    def found():
        return app.at.title and not app.at.title[0].value.endswith("…") and "<image" in drawn(app)

    return app.until(found, "both cuts and their images")


def drawn(app):
    """All HTML with pictures."""
    parts = [element.proto for element in app.at.get("bidi_component") if element.proto.component_name == "markup"]
    return "".join(json.loads(part.json)["content"] for part in parts)


def tables(app):
    """What the row under each picture can save, by its key."""
    rows = [element.proto for element in app.at.get("bidi_component") if element.proto.component_name == "chart_tools"]
    return {told["key"]: told["table"] for told in (json.loads(row.json) for row in rows)}


def verdict(app):
    return app.at.title[0].value.replace("\u00a0", " ")


def renamed(kept, names):
    """Kept cuts with other names."""
    return tuple(replace(one, cut=replace(one.cut, name=name)) for one, name in zip(kept, names, strict=True))


def story(*cuts):
    return to_link(Story(cuts))


def test_with_nothing_kept_the_cut_in_force_stands_against_dense(open_app):
    app = compared(open_app(model="swin-digits", ratio="0.95"))
    assert verdict(app).startswith("This cut needs ") and "fewer MACs than dense" in verdict(app)
    assert any("keep cuts on Prune" in link.proto.label for link in app.at.get("page_link"))
    assert [row[0] for row in tables(app)["compare_differences"]["rows"]] == ["this cut − dense, top-1"]
    app.click_key("compare_swap")
    assert verdict(settled(app)).startswith("Dense needs ")
    assert [row[0] for row in tables(app)["compare_differences"]["rows"]] == ["dense − this cut, top-1"]


def test_two_kept_cuts_are_told_drawn_and_can_be_saved(open_app):
    app = compared(open_app(model="swin-digits", ratio="0.3", story=story(RULE, MORE)))
    assert verdict(app).startswith("B needs ") and "% fewer MACs and weights than A" in verdict(app)
    found = tables(app)
    differences = found["compare_differences"]["rows"]
    assert [row[0] for row in differences] == ["B − A, top-1", "A − dense", "B − dense"]
    a_b, a, b = (float(row[1].replace("−", "-")) for row in differences)
    assert a_b == pytest.approx(b - a, abs=0.11)  # each is rounded to a tenth
    assert all(row[4] == 540 for row in differences)
    luck = differences[0][2].startswith("−") != differences[0][3].startswith("−")
    assert ("could be luck" if luck else "beyond chance") in verdict(app) and differences[0][5] in verdict(app)
    kept = found["compare_panel"]
    assert kept["columns"] == ["stage", "module", "A keeps, %", "B keeps, %"] and len(kept["rows"]) == 12
    images = found["compare_images"]["rows"]
    only = {letter: [row for row in images if row[2] == letter] for letter in "AB"}
    assert round(1000 * (len(only["B"]) - len(only["A"])) / 540) == round(10 * a_b)
    assert all((row[1] == row[3]) == (row[2] == "A") for row in images)
    shown = drawn(app)
    assert "By &lt;b&gt;rule&lt;/b&gt;" in shown and "<b>rule" not in shown and "percent &amp; no more" in shown
    few = shown.count("<image")
    assert few == sum(min(5, len(rows)) for rows in only.values())
    app.click_key("compare_more_images")
    app.until(lambda: drawn(app).count("<image") > few, "more images")


def test_the_other_ones_cut_is_swapped_and_the_cut_in_force_can_be_chosen(open_app):
    app = compared(open_app(model="swin-digits", ratio="0.8", story=story(RULE, MORE)))
    first, second = (app.widget(f"compare_{place}") for place in ("first", "second"))
    assert first.options == ["A By <b>rule</b>", "B More", "★ The cut in force", "○ Dense"]
    app.set("compare_first", second.value)
    assert verdict(settled(app)).startswith("A needs ")
    assert app.url["pair"] == "B.A"
    app.set("compare_second", "now")
    assert verdict(settled(app)).startswith("This cut needs ")
    assert "this cut − B, top-1" in drawn(app) and app.url["pair"] == "B.now"
    app.at.session_state["story"] = renamed(app.at.session_state["story"], ("By rule", "More"))
    app.run().set("compare_first", "dense")
    assert verdict(settled(app)).startswith("This cut needs ") and app.url["pair"] == "dense.now"
    again = compared(open_app(**app.url))
    assert again.notices == [] and verdict(again) == verdict(app) and again.url == app.url


@pytest.mark.parametrize("pair", ["A.C", "A.A", "A", "A.B.now", "<b>.A"])
def test_a_link_to_no_two_cuts_says_so_and_the_rest_holds(open_app, pair):
    app = open_app(model="swin-digits", ratio="0.8", story=story(RULE, MORE), pair=pair)
    assert f"The link compares '{pair}', which are no two of its cuts" in " ".join(app.notices)
    assert app.url["story"] and "pair" not in app.url and app.plan.ratio == 0.8


@pytest.mark.parametrize(
    ("cuts", "why"),
    [
        ((RULE, replace(RULE, weights="random")), "B has no images or random weights"),
        ((RULE, replace(RULE, model="swin-textured")), "they were judged by different images"),
    ],
)
def test_what_cannot_be_paired_says_why(open_app, cuts, why):
    app = open_app(model="swin-digits", story=story(*cuts)).page_of("compare")
    app.until(lambda: not app.at.title[0].value.endswith("…"), "both cuts")
    assert f"accuracy is not compared, as {why}." in verdict(app)
    assert "luck" not in verdict(app) and "<image" not in drawn(app)
    rows = tables(app).get("compare_differences", {"rows": []})["rows"]
    assert all("dense" in row[0] for row in rows)


def test_two_models_are_paired_over_the_same_images(open_app):
    app = compared(open_app(model="swin-digits", story=story(RULE, replace(RULE, model="deit-digits"))))
    assert "540 images" in verdict(app)
    labels = [row[0] for row in tables(app)["compare_differences"]["rows"]]
    assert labels == ["B − A, top-1", "A − its dense", "B − its dense"]
    assert "Weights kept, part by part" in drawn(app)
    assert "swin-digits: Ninety" in drawn(app) and "deit-digits: Ninety" in drawn(app)


def test_a_cut_that_cannot_be_made_says_so_in_its_place(open_app):
    whole = replace(RULE, plan=PruningPlan(budget=0.999, budget_kind="macs", granularity="structure"))
    app = open_app(model="swin-digits", story=story(RULE, whole)).page_of("compare")
    app.until(lambda: not app.at.title[0].value.endswith("…"), "an answer")
    assert verdict(app) == "A and B cannot be compared" and 'role="alert"' in drawn(app)


def test_both_are_timed_one_after_the_other_and_noise_is_called_so(open_app, monkeypatch):
    monkeypatch.setattr(latency, "REPEATS", (3, 5))
    monkeypatch.setattr(timed, "BATCHES", [1])
    monkeypatch.setattr(latency, "noisy", lambda row: "repeats" not in row)
    app = compared(open_app(model="swin-digits", story=story(RULE, MORE)))
    app.click("Measure both here")
    app.until(lambda: any("too noisy to tell" in text for text in app.texts()), "both times")
    app.until(lambda: any(button.label == "Measure more" for button in app.at.button), "the offer")
    times = app.at.dataframe[0].value
    assert list(times["cut"]) == ["A By <b>rule</b>", "B More"] and all(times["against dense"].str.endswith("×"))


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
            found = highest(row for row in mine if row.budget == budget)
            assert len(told) == (found is not None)
            assert not told or (found.label in told[0] and "no difference beyond chance can be told" in told[0])
        assert not any("lead" in text for text in app.texts())  # only single intervals are stored
        if not mine:
            assert "Nothing was measured" in texts
            continue
        assert ("photographs" in texts) == model.endswith("-photos")
        notes = [note["text"] for note in app.figure("comparison")["layout"]["annotations"]]
        assert len(notes) == len(mine) + 1
        sizes = app.at.dataframe[0].value["Params"]  # of zeros all that is there, and how much is not zero
        assert [" not zero" in size for size in sizes] == [row.params_nonzero is not None for row in mine]
        assert f"{mine[0].n:,}" in texts and "95 %" in texts
    papers = app.at.dataframe[-1].value
    assert len(papers) == len(published.results()) and "Printed in" in papers.columns
    assert any("Never mixed" in text for text in app.texts())


def test_models_of_photographs_say_what_judged_them_and_what_measures_them(app, monkeypatch):
    measured = [replace(row, model="swin-photos", n=5000 if row.budget == 0.5 else 2000) for row in read()
                if row.model == "swin-digits"]  # fmt: skip
    monkeypatch.setattr(cache, "methods", list)
    app.at.switch_page("pages/compare.py")
    app.run().set("compare_model", "swin-photos")
    assert "python -m benchmarks.methods swin-photos --photos FOLDER" in " ".join(app.texts())
    monkeypatch.setattr(cache, "methods", lambda: measured)
    app.set("compare_budget", "50 %")
    texts = " ".join(app.texts())
    assert "precomputed on 5,000 photographs" in texts and "2,000" not in texts
    assert "jobs of yours, judged by your own images, are not drawn" in texts and "validation images" not in texts
    app.set("compare_budget", "both")
    assert "precomputed on 2,000 or 5,000 photographs" in " ".join(app.texts())


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
