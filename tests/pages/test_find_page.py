"""The Find page: what it asks for, a search on screen, and what can be done with its answer."""

from dataclasses import asdict

import pytest

from dimap_core import pipeline
from dimap_core.plan.recipe import from_recipe
from dimap_core.studies.find import bench as benches, candidates as rows, finding
from dimap_core.studies.find.wanted import Wanted
from dimap_core.types.text import in_points
from pages.ui.session import cache

pytestmark = pytest.mark.usefixtures("own_home")
WANTED = Wanted("structure", 0.5, images=64)


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    """What a short search on a bundled model really found."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIMAP_HOME", str(tmp_path_factory.mktemp("home")))
        few = (rows.Candidate("fisher", "model", 1.0, rule=False), rows.Candidate("magnitude", "module"))
        patch.setattr(finding, "candidates", lambda granularity: few)
        patch.setattr(finding, "fewer_heads", lambda plan, stage: iter(()))
        patch.setattr(finding, "bench", lambda opened, images, seed: benches.bench(opened, images, seed, 64))
        *_, last = finding.find(pipeline.open_model("deit-digits"), WANTED, budgets=(0.3, 0.5))
    return last["result"]


def find_page(app):
    app.at.switch_page("pages/find.py")
    return app.run().until(lambda: any(button.label == "Find" for button in app.at.button), "the controls")


def labels(app):
    return [button.label for button in app.at.button]


def test_a_search_starts_stops_and_may_go_on(open_app):
    app = find_page(open_app(model="deit-digits"))
    assert app.at.title[0].value == "What is the best cut for this budget?"
    app.set("find_granularity", "weight").set("find_share", 90).click("Find")
    (token,) = app.at.session_state["jobs"]
    job = cache.kept_jobs().find(token)
    assert job.kind == "find" and "zeros, 90 %" in job.title
    asked = Wanted(**job.request["search"])
    assert (asked.granularity, asked.budget, asked.budget_kind, asked.keep_top1) == ("weight", 0.9, "macs", None)
    app.click("Stop")
    assert cache.kept_jobs().find(token).state == "cancelled" and {"Go on", "Forget"} <= {*labels(app)}
    app.click("Forget")
    assert cache.kept_jobs().find(token) is None
    app.set("find_granularity", "structure").set("find_kind", "top1").set("find_top1", 90).click("Find")
    asked = Wanted(**cache.kept_jobs().find(app.at.session_state["jobs"][-1]).request["search"])
    assert (asked.budget, asked.keep_top1) == (None, 0.9)
    app.click("Stop").click("Forget")


def test_an_answer_says_what_was_measured_and_is_put_in_force(open_app, result):
    ledger = cache.kept_jobs().ledger
    token = ledger.add("find", "deit-digits · half", {"search": asdict(WANTED), "setting": "deit-digits"})
    ledger.move(token, "running", "waiting")
    ledger.finish(token, result)
    app = find_page(open_app(model="deit-digits", jobs=token))
    shown = {metric.label: metric.value for metric in app.at.metric}
    assert shown["Found"] == f"{100 * result['top1']:.1f} %"
    assert shown["Best fixed rule"] == f"{100 * result['best_rule']['top1']:.1f} %"
    paired, said = result["paired"], " ".join(app.texts())
    assert in_points(paired["low"]) in said and in_points(paired["high"]) in said
    beyond = paired["low"] > 0 or paired["high"] < 0
    assert ("beyond chance" in said) and (("no difference beyond chance" in said) != beyond)
    marks = app.figure(f"front_{token}")["data"]
    drawn = [x for trace in marks if trace["mode"] == "markers" for x in trace["x"]]
    assert sorted(drawn) == pytest.approx(sorted(100 * row["macs"] for row in result["front"]))
    assert not any("deit-digits · half" in text for text in open_app(jobs=token).page("recover").texts())
    app.click("Put in force")
    assert app.at.session_state["setting"].plan == from_recipe(result["plan"])


def test_the_cut_found_is_pinned_as_it_was_judged_and_compared_on_prune(open_app, result):
    ledger = cache.kept_jobs().ledger
    token = ledger.add("find", "deit-digits · half", {"search": asdict(WANTED), "setting": "deit-digits"})
    ledger.move(token, "running", "waiting")
    ledger.finish(token, result)
    app = open_app(model="deit-digits", ratio="0.4").judged().click("Keep this cut")
    app.at.session_state["jobs"] = [token]
    find_page(app).click("Keep this cut")
    assert app.widget(f"keep_{token}").label == "Kept as B"
    kept = app.at.session_state["history"][-1]
    assert kept.setting.plan == from_recipe({**result["plan"], "model": "deit-digits"}, "deit-digits")
    assert kept.estimate.top1.value == result["top1"] and kept.estimate.n == result["n"]
    assert 1 - kept.total.macs_after / kept.total.macs == pytest.approx(result["macs_removed"])
    plot = app.page("prune").judged().feed["plot"]
    assert [pin["name"] for pin in plot["pins"]] == ["A", "B"] and "points" in plot["between"]
    (x, y) = next((pin["x"], pin["y"]) for pin in plot["pins"] if pin["name"] == "B")
    assert (x, y) == pytest.approx((1 - result["macs_removed"], result["top1"]), abs=1e-4)
    other = find_page(open_app(model="swin-digits", jobs=token))
    assert "Keep this cut" not in labels(other)
