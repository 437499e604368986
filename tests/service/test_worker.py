"""The worker's loop, in-process: who is served when, what replaces what, which errors stay with their request."""

import base64
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter

from dimap_core import pipeline
from dimap_core.data.batches import stratified_order
from dimap_core.data.registry import load_data
from dimap_core.measure.accuracy import masked, predict
from dimap_core.measure.cost import cost_report
from dimap_core.measure.predictions import concatenate, outcomes, unpacked
from dimap_core.pipeline import chain, images
from dimap_core.plan.recipe import from_recipe, to_recipe
from dimap_core.plan.selection import select
from dimap_core.service import index
from dimap_core.service.requests import HANDLERS
from dimap_core.service.threads import Threads
from dimap_core.service.worker import Worker
from dimap_core.studies.effort import IMAGES
from dimap_core.types.estimates import Versus
from dimap_core.types.findings import CellCut, Effect
from dimap_core.types.plan import PruningPlan
from dimap_core.types.way import Way
from tests.helpers import FLIPS, SINGLE, same, serve

MODEL = {"model": "swin-digits", "weights": "pretrained", "data": "digits"}


@pytest.fixture(scope="module")
def opened():
    return pipeline.open_model("swin-digits")


@pytest.fixture
def worker(opened, tmp_path):
    """A worker that has the small Swin open already."""
    worker = Worker(tmp_path)
    worker.models.opened["swin-digits", "pretrained"] = opened
    return worker


def evaluate(session, ticket, ratio, channel="live"):
    return {
        **MODEL, "kind": "evaluate", "session": session, "channel": channel, "ticket": ticket,
        "recipe": {"version": 1, "ratio": ratio},
    }  # fmt: skip


def curve(session, ticket, ratios, **recipe):
    request = {"kind": "curve", "session": session, "channel": "background", "ticket": ticket, "ratios": ratios}
    return {**MODEL, **request, "recipe": {"version": 1, **recipe}}


def test_an_idle_worker_is_not_busy(worker):
    assert not worker.busy
    worker.accept(evaluate("a", "1", 0.5))
    assert worker.busy
    serve(worker)
    assert not worker.busy


def test_estimates_grow_to_the_last_image_which_says_all_that_were_right(worker, opened):
    worker.accept(evaluate("a", "1", 0.9))
    events = serve(worker)
    assert {event["ticket"] for event in events} == {"1"}
    assert events[-1] == {"ticket": "1", "done": True}
    *before, last = [event["event"] for event in events[:-1] if "n" in event["event"]]
    counts = [event["n"] for event in (*before, last)]
    assert counts == sorted(set(counts)) and counts[-1] == 540 and len(counts) > 2
    assert last["drops"]["joint"]["n"] == 540
    json.dumps(events)
    right = unpacked(last["right"], 540)
    assert right.sum() == last["cues"]["joint"]["correct"] and not any("right" in event for event in before)
    pruned, data = pipeline.prune(opened, PruningPlan(ratio=0.9))[0], load_data("digits", "val")
    answers = concatenate(list(predict(pruned, opened.info, data))).classes
    wanted = answers == data.labels[stratified_order(data.labels)]
    assert 0.05 * 540 < right.sum() < 0.95 * 540 and (right != wanted).sum() <= FLIPS


def test_the_dense_model_is_judged_first_where_it_is_not_known(worker, opened):
    opened.dense.clear()
    worker.accept(evaluate("a", "1", 0.5))
    events = [event["event"] for event in serve(worker)[:-1]]
    waiting = [event for event in events if event == {"waiting": "dense"}]
    assert waiting and events[: len(waiting)] == waiting and all("n" in event for event in events[len(waiting) :])
    worker.accept(evaluate("a", "2", 0.6))
    assert "n" in worker.step()["event"]


def test_more_sessions_than_caches_hold_no_more_activations(worker, opened):
    pipeline.judge_fully(opened, pipeline.default_data(opened))
    for session in "abcd":
        worker.accept(evaluate(session, session, 0.5))
    for _ in range(4):
        worker.step()
    held = [cache for _, cache in worker.models.caches.values()]
    worker.accept(evaluate("e", "e", 0.5))
    worker.step()
    assert len(worker.models.caches) == 2
    while worker.busy:
        worker.step()
    assert held[0].used == 0 == len(held[0].kept)  # its session's evaluation went on without it
    assert held[1].used == sum(x.nbytes for _, x in held[1].kept.values()) > 0


def test_no_recipe_means_the_dense_model(worker):
    worker.accept({**evaluate("a", "1", 0.5), "recipe": None})
    last = serve(worker)[-2]["event"]
    assert last["drops"] == {} and last["cues"]["joint"]["correct"] > 530


def test_predictions_are_both_models_answers_to_every_image(worker, opened):
    recipe = {"version": 1, "ratio": 0.9}
    worker.accept({**evaluate("a", "1", 0.9), "kind": "predictions"})
    first, *events = [event["event"] for event in serve(worker)[:-1]]
    json.dumps(events)
    data = index.read_data(Path(first["folder"]))
    found = outcomes([first, *events], data)
    assert len([event for event in events if "images" in event]) > 2 and {
        e["total"] for e in events if "total" in e
    } == {540}
    assert sorted(found.images) == list(range(540))
    estimate = found.estimate(data, 540)
    expected = pipeline.judge_fully(opened, pipeline.default_data(opened), from_recipe(recipe))
    assert (estimate.cues, estimate.top5, estimate.drops) == (expected.cues, expected.top5, expected.drops)
    assert found.counts["broke"] - found.counts["fixed"] == -round(540 * estimate.drops["joint"].value)
    worker.accept({**evaluate("a", "2", 0.9), "kind": "predictions"})
    again = outcomes([event["event"] for event in serve(worker)[:-1]], data)
    assert same(again.pruned.loss, found.pruned.loss, SINGLE)  # from the prefix cache


def test_an_explanation_comes_after_its_progress_and_its_errors_stay_with_its_ticket(worker):
    wanted = {"image": 3, "method": "grad-cam", "target": 1}
    worker.accept({**evaluate("a", "1", 0.8), "kind": "explain", **wanted})
    *progress, last, done = serve(worker)
    assert [event["event"]["doing"] for event in progress] == ["Grad-CAM, dense model", "Grad-CAM, pruned model"]
    found = last["event"]
    assert (found["method"], found["target"], done["done"]) == ("grad-cam", 1, True)
    assert np.shape(found["dense"]) == np.shape(found["pruned"]) == (32, 32) and -1 <= found["moved"] <= 1
    worker.accept({**evaluate("a", "2", 0.8), "kind": "explain", **wanted, "method": "rollout"})
    assert "Swin has no class token" in serve(worker)[-1]["error"]


def test_a_way_is_that_of_an_image_that_is_named_brought_or_looked_for(worker):
    ask = {
        **evaluate("a", "1", 0.95),
        "kind": "way",
        "token": None,
        "image": None,
        "after": None,
        "wanted": "broke",
        "back": False,
    }
    worker.accept(ask)
    *steps, last, done = serve(worker)
    assert done == {"ticket": "1", "done": True} and steps[0]["event"]["doing"].startswith(("Looking", "Found"))
    found = TypeAdapter(Way).validate_python(last["event"])
    digits = load_data("digits")
    assert found.label == digits.labels[found.image] == np.argmax(found.dense) != np.argmax(found.pruned)
    file = base64.b64encode(base64.b64decode(found.picture.partition(",")[2])).decode()
    for wanted in ({"image": found.image}, {"file": file}):
        worker.accept({**ask, **wanted})
        *_, again, _ = serve(worker)
        assert again["event"]["pruned"] == last["event"]["pruned"]
    worker.accept({**ask, "file": base64.b64encode(b"no image").decode()})
    assert "could not be read" in serve(worker)[-1]["error"]
    worker.accept({**ask, "image": 0, "token": [99, 0]})
    assert "There is no token (99, 0)" in serve(worker)[-1]["error"]


def test_a_newer_request_of_a_session_ends_the_older_one(worker):
    assert worker.accept(evaluate("a", "1", 0.5)) == []
    worker.step()
    assert worker.accept(evaluate("a", "2", 0.6)) == ["1"]
    assert {event["ticket"] for event in serve(worker)} == {"2"}


def test_channels_and_sessions_do_not_replace_each_other(worker):
    worker.accept(evaluate("a", "1", 0.5))
    assert worker.accept(curve("a", "2", [0.5])) == []
    assert worker.accept(evaluate("b", "3", 0.5)) == []
    assert {event["ticket"] for event in serve(worker)} == {"1", "2", "3"}


def test_sessions_take_turns(worker, opened):
    pipeline.judge_fully(opened, pipeline.default_data(opened))
    for session in "abc":
        worker.accept(evaluate(session, session, 0.5))
    assert [worker.step()["ticket"] for _ in range(9)] == ["c", "b", "a"] * 3


def test_a_new_request_gets_its_first_number_at_once(worker, opened):
    pipeline.judge_fully(opened, pipeline.default_data(opened))
    worker.threads = Threads(2)  # as on free cores; all other tests have one
    for session in "abc":
        worker.accept(evaluate(session, session, 0.5))
    worker.step()
    worker.accept(evaluate("d", "d", 0.5))
    event = worker.step()
    assert event["ticket"] == "d" and event["event"]["n"] > 0


def test_the_background_waits_while_a_session_moves_its_slider(worker):
    worker.accept(curve("a", "curve", [0.3, 0.5]))
    assert worker.step()["ticket"] == "curve"
    worker.accept(evaluate("b", "live", 0.5))
    order = [event["ticket"] for event in serve(worker)]
    assert order == sorted(order, key=lambda ticket: ticket == "curve")
    assert order.count("live") > 4 and order.count("curve") > 8


def test_opening_comes_first_and_every_request_to_open_runs(worker):
    worker.accept(evaluate("a", "live", 0.5))
    for ticket, criterion in (("1", "dimap"), ("2", "magnitude")):
        recipe = {"version": 1, "criterion": criterion}
        message = {**MODEL, "kind": "open", "session": "a", "channel": "open", "ticket": ticket, "recipe": recipe}
        assert worker.accept(message) == []
    order = [event["ticket"] for event in serve(worker)]
    assert set(order[:6]) == {"1", "2"} and set(order[6:]) == {"live"}


def test_reading_images_ends_with_the_sessions_next_request_and_leaves_the_model_alone(worker, opened):
    recipe = {"version": 1, "criterion": "taylor", "images": 64}
    message = {**MODEL, "kind": "open", "session": "a", "channel": "live", "recipe": recipe}
    worker.accept({**message, "ticket": "1"})
    doing = [worker.step()["event"] for _ in range(3)]
    assert doing[-1] == {"doing": "Reading training images, 32 of 64"}
    assert worker.accept({**message, "session": "b", "ticket": "2"}) == []
    assert worker.accept(evaluate("a", "3", 0.5)) == ["1"]
    events = serve(worker)
    assert {event["ticket"] for event in events} == {"2", "3"}
    (folder,) = (event["event"]["folder"] for event in events if "folder" in event.get("event", {}))
    assert index.has_scores(Path(folder), "taylor", 0, images=64)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in opened.model.modules())


def test_cancelling_ends_what_a_session_waits_for_and_nothing_else(worker):
    worker.accept(evaluate("a", "1", 0.5))
    worker.accept(curve("a", "2", [0.5]))
    worker.accept(evaluate("b", "3", 0.5))
    assert worker.accept({"cancel": "a"}) == ["1", "2"]
    assert worker.accept({"cancel": "nobody"}) == []
    worker.accept(curve("b", "4", [0.5]))
    assert worker.accept({"cancel": "b", "channel": "background"}) == ["4"]
    assert {event["ticket"] for event in serve(worker)} == {"3"}


def study(session, ticket, kind, **more):
    return {**MODEL, "kind": kind, "session": session, "channel": kind, "ticket": ticket, **more}


def test_long_measurements_wait_for_everyone_and_are_cancelled_one_by_one(worker):
    worker.accept(study("a", "truth", "truth"))
    worker.accept(study("a", "curves", "sensitivity", recipe={"version": 1, "ratio": 0.5}))
    assert [worker.step()["ticket"] for _ in range(2)] == ["truth"] * 2
    worker.accept(evaluate("b", "live", 0.5))
    assert worker.step()["ticket"] == "live"
    assert worker.accept({"cancel": "a", "channel": "truth"}) == ["truth"]
    assert worker.accept({"cancel": "a", "channel": "truth"}) == []
    assert worker.accept({"cancel": "a", "channel": None}) == ["curves"]
    assert {event["ticket"] for event in serve(worker)} == {"live"}


@pytest.mark.parametrize(
    ("kind", "more", "type_"),
    [
        ("truth", {}, Effect),
        ("sensitivity", {"recipe": {"version": 1, "granularity": "structure"}}, CellCut),
        ("versus", {"recipes": [{"version": 1, "ratio": 0.5}, {"version": 1, "ratio": 0.8}]}, Versus),
    ],
)
def test_long_measurements_send_what_the_page_reads(worker, kind, more, type_):
    worker.accept(study("a", "1", kind, **more))
    events = []
    while len(events) < 2:
        event = worker.step()["event"]
        events += [event] if event else []
    found = TypeAdapter(list[type_]).validate_python(json.loads(json.dumps(events)))
    assert [asdict(each) for each in found] == events


def test_ratios_are_made_from_images_that_do_not_judge(worker, opened, monkeypatch):
    loaded = []

    def watched(name, split="val"):
        loaded.append(split)
        return load_data(name, split)

    monkeypatch.setattr(images, "load_data", watched)
    worker.accept(study("a", "1", "sensitivity", recipe={"version": 1, "scope": "layer"}))
    first = next(event for event in iter(lambda: worker.step()["event"], None) if event)
    assert loaded == ["train"]
    plan = PruningPlan(scope="layer", overrides=(((3, first["module"]), first["ratio"]),))
    weights = chain.cut_weights(opened, plan, pipeline.apply_plan(opened, plan)[0])
    train, n = load_data("digits", "train"), first["estimate"]["n"]
    own = concatenate(list(predict(opened.model, opened.info, train, masked(opened.model, weights), n)))
    right = own.classes == train.labels[stratified_order(train.labels)[:n]]
    assert n == IMAGES and first["estimate"]["cues"]["joint"]["correct"] == right.sum()


def test_a_curve_is_one_row_a_ratio_and_ends_where_a_layer_would_be_emptied(worker):
    worker.accept(curve("a", "1", [0.2, 0.3, 0.9999], criterion="magnitude", scope="model", cost_exponent=0.5))
    rows = [event["event"] for event in serve(worker) if event.get("event")]
    assert [row["ratio"] for row in rows] == [0.2, 0.3]
    assert {(row["criterion"], row["scope"], row["cost_exponent"]) for row in rows} == {("magnitude", "model", 0.5)}
    assert all(row["estimate"]["n"] == row["n"] == 540 for row in rows)
    assert all(sum(cell[2]["params_after"] for cell in row["cells"]) == row["params_nonzero"] for row in rows)


@pytest.mark.parametrize("criterion", ["dimap", "magnitude", "random"])
def test_what_open_leaves_on_disk_selects_as_the_scores_in_memory_do(worker, opened, criterion):
    recipe = {"version": 1, "criterion": criterion, "seed": 4}
    worker.accept({**MODEL, "kind": "open", "session": "a", "channel": "open", "ticket": "1", "recipe": recipe})
    loaded, scored, done = serve(worker)
    folder = Path(scored["event"]["folder"])
    assert loaded["event"]["loaded"] == str(folder) and done == {"ticket": "1", "done": True}
    info, anatomy = index.read_model(folder)
    assert (info, anatomy) == (opened.info, opened.anatomy)
    scores, known = index.read_scores(folder, anatomy, criterion, 4), pipeline.score(opened, from_recipe(recipe))
    assert scores.by_magnitude == known.by_magnitude
    for name, layer in known.layers.items():
        np.testing.assert_array_equal(scores.layers[name].ranked, layer.ranked)
    for scope in ("layer", "stage-module", "module", "model"):
        plan = PruningPlan(criterion, scope=scope, ratio=0.73, seed=4)
        selection, cost = pipeline.apply_plan(opened, plan)
        assert select(scores, anatomy, plan) == selection
        assert cost_report(anatomy, select(scores, anatomy, plan)) == cost


@pytest.mark.parametrize("name", ["resnet50", "nonsense", "", "/tmp", "swin\0digits", "x" * 5000])
def test_a_model_that_cannot_be_opened_is_one_sentence_for_its_ticket_alone(worker, name):
    worker.accept(evaluate("b", "2", 0.5))
    message = {"kind": "open", "model": name, "weights": "random", "recipe": {"version": 1}}
    worker.accept({**message, "session": "a", "channel": "open", "ticket": "1"})
    first, *rest = serve(worker)
    assert first["ticket"] == "1" and first["error"].endswith((".", "?")) and "\n" not in first["error"]
    assert rest[-1] == {"ticket": "2", "done": True}


def test_a_plan_that_cannot_be_met_is_an_error_of_its_ticket(worker):
    recipe = {"version": 1, "criterion": "magnitude", "scope": "model", "ratio": 0.9999}
    worker.accept({**evaluate("a", "1", 0.5), "recipe": recipe})
    assert "empties the layer" in serve(worker)[-1]["error"]


def test_random_weights_are_opened_but_not_judged(worker):
    random = {**evaluate("a", "1", 0.5), "weights": "random"}
    worker.accept(random)
    assert serve(worker)[-1]["error"].startswith("Accuracy means nothing on random weights")
    assert ("swin-digits", "random") in worker.models.opened


def test_a_crash_in_one_request_is_told_without_a_trace(worker, opened, capfd, monkeypatch):
    def broken(*_):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(opened.model, "forward", broken)
    opened.dense.clear()
    worker.accept(evaluate("a", "1", 0.5))
    (event,) = serve(worker)
    assert event["error"] == "The model could not be run (RuntimeError); try another one."
    assert "mat1" in capfd.readouterr().err  # the log has it


def test_whatever_one_request_stumbles_over_the_others_are_answered(worker, monkeypatch):
    kinds = {kind.__name__: kind for kind in (ValueError, KeyError, TypeError, IndexError, AssertionError)}

    def broken(models, request):
        yield {}
        raise kinds[request["ticket"]]("of one session")

    monkeypatch.setitem(HANDLERS, "latency", broken)
    for name in kinds:
        worker.accept({**evaluate(name, name, 0.5), "kind": "latency"})
    worker.accept(evaluate("b", "good", 0.5))
    events = [worker.step() for _ in range(2 * len(kinds) + 2)]
    told = {event["ticket"]: event for event in events if "error" in event}
    assert told == {
        name: {"ticket": name, "error": f"The model could not be run ({name}); try another one.", "kind": ""}
        for name in kinds
    }
    assert worker.step()["ticket"] == "good"


def test_a_request_that_makes_no_sense_is_an_error_of_its_ticket_and_replaces_nothing(worker):
    worker.accept(evaluate("a", "1", 0.5))
    for change in (
        {"kind": "dance"}, {"channel": "attic"}, {"model": None}, {"model": ["x"]}, {"weights": 3}, {"session": {}},
    ):  # fmt: skip
        (told,) = worker.take(json.dumps({**evaluate("a", "2", 0.5), **change}))
        assert told["ticket"] == "2" and told["error"].endswith("try another one.")
    assert worker.take(json.dumps({"forget": "file:"})) == []
    assert worker.step()["ticket"] == "1"


def test_a_line_that_is_no_request_ends_nothing(worker):
    worker.accept(evaluate("a", "1", 0.5))
    for line in ("", "{", "[]", "3", "null", "{}", '{"forget": 3}', '{"cancel": "a", "channel": "b"}'):
        assert worker.take(line) == []
    assert worker.step()["ticket"] == "1"


def test_an_event_that_is_no_plain_data_ends_its_request_alone(worker):
    worker.accept(evaluate("a", "1", 0.5))
    worker.accept(evaluate("b", "2", 0.5))
    told = json.loads(worker.line({"ticket": "1", "event": {"image": object()}}))
    assert told["ticket"] == "1" and "TypeError" in told["error"]
    assert {worker.step()["ticket"] for _ in range(2)} == {"2"}


def test_models_opened_long_ago_are_let_go_with_their_files(worker):
    worker.models.limit = 46 * 1024**2
    folders = {}
    for name in ("deit-digits", "deit-textured", "swin-textured"):
        recipe = to_recipe(PruningPlan())
        message = {"kind": "open", "model": name, "weights": "pretrained", "recipe": recipe, "session": "a"}
        worker.accept({**message, "channel": "open", "ticket": name})
        folders[name] = Path(serve(worker)[-2]["event"]["folder"])
    left = {name for name, _ in worker.models.opened}
    assert "swin-textured" in left and "deit-digits" not in left
    assert folders["swin-textured"].exists() and not folders["deit-digits"].exists()
    worker.accept({**message, "model": "deit-digits", "channel": "open", "ticket": "again"})
    assert Path(serve(worker)[-2]["event"]["folder"], "anatomy.json").exists()


@pytest.mark.parametrize(("granularity", "ratio"), [("weight", 0.95), ("structure", 0.85)])
def test_a_repaired_cut_is_shown_at_once_and_then_as_it_is(worker, opened, granularity, ratio):
    recipe = {"version": 1, "criterion": "magnitude", "granularity": granularity, "ratio": ratio, "repair": True}
    recipe["images"] = 32
    worker.accept({**evaluate("a", "1", 0.6), "recipe": recipe})
    events = [event["event"] for event in serve(worker) if event.get("event")]
    looks = [event for event in events if event.get("preview")]
    (last,) = [event for event in events if "n" in event and not event.get("preview")]
    assert looks[0]["n"] < looks[-1]["n"] == last["n"] == 540 and events[-1] == last
    plan, data = from_recipe(recipe), load_data("digits")
    assert last["cues"] == asdict(pipeline.judge_fully(opened, data, plan))["cues"]
    *_, quick = pipeline.judge(opened, data, plan, preview=True)
    assert looks[-1]["cues"] == asdict(quick)["cues"] != last["cues"]
    worker.accept({**evaluate("a", "2", 0.6), "recipe": recipe})
    again = [event["event"] for event in serve(worker) if event.get("event")]
    assert not any(event.get("preview") for event in again) and again[-1]["cues"] == last["cues"]


def test_a_formula_that_gives_no_scores_is_told_and_no_empty_curve(worker):
    worker.accept(curve("a", "1", [0.3, 0.5], criterion="formula:log(w - w)"))
    (event,) = serve(worker)
    assert event["kind"] == "InvalidPlan" and "no log of 0" in event["error"]
    worker.accept(curve("a", "2", [0.3], criterion="formula:w / layer_mean"))
    rows = [event["event"] for event in serve(worker) if event.get("event")]
    assert [(row["criterion"], row["ratio"], row["n"]) for row in rows] == [("formula:w / layer_mean", 0.3, 540)]
