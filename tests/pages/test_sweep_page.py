"""The Sweep page: what it asks for and foretells, a sweep on screen, and what can be taken away of it."""

import csv
import io

import pytest

from dimap_core.studies import shared
from pages.ui.session import cache

pytestmark = pytest.mark.usefixtures("own_home")
GRID = {"criteria": ["dimap", "taylor"], "scopes": ["layer", "model"], "ratios": [0.5, 0.9], "images": 32}
FILE = {"models": ["deit-digits"], "grids": [GRID, {"ratios": [0.99999], "scopes": ["layer"]}], "limit": 60}


def sweep_page(app):
    app.at.switch_page("pages/sweep.py")
    return app.run().until(lambda: any(button.label == "Sweep" for button in app.at.button), "the controls")


def labels(app):
    return [button.label for button in app.at.button]


def kept_job(name, asked, settings=("deit-digits",)):
    """The token of a sweep's job that was asked for and whose process ended."""
    ledger = cache.kept_jobs().ledger
    request = {"study": name, "asked": asked.told(), "settings": [*settings], "agreement": False}
    token = ledger.add("sweep", "deit-digits · some cuts", request)
    ledger.move(token, "interrupted", "waiting")
    return token


@pytest.fixture
def begun(own_home):
    """A real study of which some cuts are judged, and its job's token."""
    asked = shared.Asked.by(shared.checked(FILE))
    ledger = shared.begin("mine", asked, shared.look(asked))
    steps = shared.work(ledger, every=0.0)
    next(step for step in steps if step.standing.done >= 3)
    steps.close()
    return kept_job("mine", asked)


def test_one_press_starts_a_sweep_that_was_foretold_and_it_pauses(open_app):
    app = sweep_page(open_app(model="deit-digits"))
    assert app.at.title[0].value == "Which way of cutting keeps most, over many cuts?"
    assert any("28 cuts" in text and "about" in text for text in app.texts())
    app.click("Sweep")
    (token,) = app.at.session_state["jobs"]
    job = cache.kept_jobs().find(token)
    asked = shared.Asked.kept(job.request["asked"])
    assert (job.kind, asked.models, asked.data, len(asked.points)) == ("sweep", ("deit-digits",), None, 28)
    assert {(plan.criterion, plan.scope) for plan in asked.plans} == {
        (criterion, scope) for criterion in ("dimap", "magnitude") for scope in ("layer", "module")
    }
    assert any(f"work {job.request['study']}" in code.value for code in app.at.code)
    app.click("Pause")
    assert cache.kept_jobs().find(token).state == "cancelled" and {"Go on", "Forget"} <= {*labels(app)}
    assert not any("28 cuts" in text for text in open_app(jobs=token).page("recover").texts())
    app.click("Forget")
    assert cache.kept_jobs().find(token) is None


def test_the_choices_are_multiplied_and_nonsense_is_told_in_a_sentence(open_app):
    app = sweep_page(open_app(model="deit-digits"))
    app.set("sweep_units", "structure").set("sweep_amounts", "macs").set("sweep_shares_structure", "30, 62,5 %")
    assert any("12 cuts" in text for text in app.texts())  # 30, 62 and 5
    app.set("sweep_shares_structure", "30 50")
    assert "Sweep" not in labels(app) and "type a number" in app.at.error[0].value
    app.set("sweep_shares_structure", "30, 50").set("sweep_repair", "both").set("sweep_seeds", "0, 1")
    assert any("32 cuts" in text and "repair" in text for text in app.texts())
    app.set("sweep_models_deit-digits", ["deit-digits", "swin-digits"])
    assert any("64 cuts" in text and "32 of each" in text for text in app.texts())
    app.click("Sweep")
    job = cache.kept_jobs().find(app.at.session_state["jobs"][-1])
    asked = shared.Asked.kept(job.request["asked"])
    assert {(plan.granularity, plan.budget, plan.budget_kind, plan.ratio) for plan in asked.plans} == {
        ("structure", share, "macs", None) for share in (0.3, 0.5)
    }
    assert job.request["settings"] == ["deit-digits", "swin-digits"]
    app.click("Pause").set("sweep_criteria_structure", [])
    assert "Criteria" in app.at.error[0].value and "Sweep" not in labels(app)


def test_a_sweep_grows_on_screen_while_another_process_works_on_it(open_app, begun):
    app = sweep_page(open_app(model="deit-digits", jobs=begun))
    ledger = shared.named("mine")
    before = ledger.standing().done
    assert 3 <= before < 9 and f"{before} of 10 cuts" in app.at.get("progress")[0].proto.text
    assert {"Go on", "Forget"} <= {*labels(app)}
    for _ in shared.work(ledger):
        pass
    app.run()
    assert not app.at.get("progress") and "Go on" not in labels(app)
    rows = [row for row in ledger.rows() if "error" not in row]
    curves = app.figure(f"sweep_curves_{begun}")["data"]
    columns = ([value for trace in curves for value in trace[name]] for name in ("customdata", "x", "y"))
    drawn = {point: (x, y) for point, x, y in zip(*columns, strict=True)}
    expected = {row["point"]: (100 * row["macs_removed"], 100 * row["top1"]) for row in rows}
    assert drawn.keys() == expected.keys()
    assert all(drawn[point] == pytest.approx(expected[point]) for point in drawn)
    assert len(curves) == 4 and all(len(trace["error_y"]["array"]) == len(trace["x"]) for trace in curves)
    assert any("2 of them cannot be made" in fold.label for fold in app.at.expander)
    app.set(f"sweep_what_{begun}", "paired").set(f"sweep_unit_{begun}", "params")
    drawn = [y for trace in app.figure(f"sweep_curves_{begun}")["data"] for y in trace["y"]]
    assert sorted(drawn) == pytest.approx(sorted(100 * row["estimate"]["drops"]["joint"]["value"] for row in rows))


def test_where_studies_cannot_be_read_that_is_said(open_app, own_home, monkeypatch):
    token = kept_job("far", shared.Asked.by(shared.checked(FILE)))
    monkeypatch.setenv("DIMAP_STUDIES", "mysql://me@there/base")
    app = sweep_page(open_app(model="deit-digits", jobs=token))
    assert any("DIMAP" in error.value and "PostgreSQL" in error.value for error in app.at.error)
    assert {"Go on", "Forget"} <= {*labels(app)}


def test_the_table_and_the_files_hold_every_cut(open_app, begun):
    for _ in shared.work(shared.named("mine")):
        pass
    app = sweep_page(open_app(model="deit-digits", jobs=begun))
    rows = shared.named("mine").rows()
    table = app.at.dataframe[0].value
    assert [*table["top-1, %"]] == pytest.approx([100 * row["top1"] for row in rows if "error" not in row])
    found = [*csv.DictReader(io.StringIO(shared.as_csv(rows)))]
    assert [row["error"] != "" for row in found] == ["error" in row for row in rows]
    assert not {"point", "estimate", "cells"} & {*found[0]}
    text = shared.as_latex(shared.results(rows, shared.named("mine").asked), "50 % of all & more")
    body = text.partition(r"\midrule")[2].partition(r"\bottomrule")[0].strip().splitlines()
    assert len(body) == len(table) and all(line.count("&") == 6 and line.endswith(r"\\") for line in body)
    assert r"\caption{50 \% of all \& more}" in text
    assert len(app.downloads(f"sweep_csv_{begun}")) == len(app.downloads(f"sweep_tex_{begun}")) == 1
