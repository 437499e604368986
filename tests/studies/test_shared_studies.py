"""Studies that processes share, looked at in one process: what is asked, who may take part, what becomes of a trial."""

import json
from dataclasses import replace

import optuna
import pytest
from optuna.trial import TrialState, create_trial
from PIL import Image

from dimap_core.criteria import CRITERIA
from dimap_core.data.registry import load_data
from dimap_core.studies import shared, sweep
from dimap_core.studies.grid import plans
from dimap_core.studies.shared import asked, ledger, rows, same, storage, working
from dimap_core.types.errors import DataError, InvalidPlan, PruningError
from dimap_core.types.folders import ASSETS
from tests.helpers import assert_refused
from tests.studies.sharing import asked_for, digits, use_tiny


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("DIMAP_HOME", str(tmp_path))
    monkeypatch.delenv("DIMAP_STUDIES", raising=False)


@pytest.fixture
def small(monkeypatch, tiny_swin):
    """A study of four trials, begun."""
    use_tiny(monkeypatch, tiny_swin)
    wanted = asked_for(scopes=["layer"], ratios=[0.3, 0.5], seeds=[0])
    return ledger.begin("small", wanted, same.look(wanted))


def worked(kept):
    """How far the study is once this process has done what it can."""
    *_, last = working.work(kept)
    return last.standing


# --- what is asked ----------------------------------------------------------------------------------------------------


def test_a_grid_has_the_sweeps_plans_in_their_order_and_budgets_of_two_kinds():
    grid = asked.Grid(ratios=[0.5, 0.7], budgets={"macs": [0.4], "params": [0.2]}, repair=[False, True], seeds=[3])
    found = grid.plans()
    assert len(found) == len({*found}) == 2 * (12 + 6 + 6)
    assert found[:12] == plans(["dimap", "magnitude"], ["layer", "module", "model"], [0.5, 0.7], [0.0], seed=3)
    assert {(plan.budget, plan.budget_kind, plan.ratio) for plan in found if plan.budget} == {
        (0.4, "macs", None),
        (0.2, "params", None),
    }
    assert [plan.repair for plan in found] == [False] * 24 + [True] * 24


def test_what_is_asked_is_the_same_after_it_was_kept_as_json():
    wanted = asked_for(models=("a", "b"), granularity="structure", budgets={"macs": [0.3]}, repair=[True], images=64)
    assert asked.Asked.kept(json.loads(json.dumps(wanted.told()))) == wanted
    assert [model for model, _ in wanted.points] == ["a"] * len(wanted.plans) + ["b"] * len(wanted.plans)


def test_folders_matched_by_hand_are_judged_so_by_every_process(tmp_path, monkeypatch):
    data = load_data("digits")
    for label, folder in ((0, "none"), (1, "one")):
        (tmp_path / folder).mkdir()
        for number, image in enumerate(data.images[data.labels == label][:4]):
            Image.fromarray(image.transpose(1, 2, 0)).save(tmp_path / folder / f"{number}.png")
    file = asked.checked({"models": ["deit-digits"], "grids": [{"ratios": [0.5]}], "data": f"folder:{tmp_path}"})
    by_hand = replace(asked.Asked.by(file), classes=(("none", 0), ("one", 1)))
    turned = asked.Asked.kept(json.loads(json.dumps(replace(by_hand, classes=(("none", 1), ("one", 0))).told())))
    found = [same.open_for(wanted, "deit-digits")[1] for wanted in (by_hand, turned)]
    assert {tuple(sorted(images.labels.tolist())) for images in found} == {(0,) * 4 + (1,) * 4}
    assert same.images_hash(found[0]) != same.images_hash(found[1])


@pytest.mark.parametrize("name", sorted(path.stem for path in (ASSETS / "studies").glob("*.toml")))
def test_the_studies_that_come_with_the_project_can_be_asked_for(name, tmp_path):
    file = asked.read(name)
    wanted = asked.Asked.by(file)
    assert len(wanted.points) > 10 and file.title
    on = asked.Asked.by(file.on_imagenet(tmp_path))
    assert on.plans == wanted.plans and on.data == f"folder:{tmp_path}"
    assert all("in1k" in model for model in on.models)
    if name == "criteria-curves":
        assert {plan.criterion for plan in wanted.plans} == {info.key for info in CRITERIA}
    if name == "nvit-table":
        published = json.loads((ASSETS / "published" / "nvit.json").read_text())
        sizes = [float(model["MACs, G"]) for model in published["unchecked"]["models"].values()]
        shares = sorted({plan.budget for plan in wanted.plans if plan.budget})
        assert shares == pytest.approx(sorted(1 - size / 17.6 for size in sizes), abs=5e-4)
    if name == "dimap-table3":
        shares = json.loads((ASSETS / "published" / "dimap.json").read_text())["table3"]["shares"]
        assert sorted({plan.budget for plan in wanted.plans if plan.budget}) == shares


def test_a_file_may_be_json_and_options_know_better(tmp_path):
    file = tmp_path / "own.json"
    file.write_text(json.dumps({"models": ["a"], "grids": [{"ratios": [0.5]}], "limit": 10}))
    found = asked.read("own", file, limit=20)
    assert (found.models, found.limit) == (["a"], 20)
    assert asked.read("nothing-of-that-name") is None


@pytest.mark.parametrize(
    ("said", "part"),
    [
        ({"models": [], "grids": [{"ratios": [0.5]}]}, "models"),
        ({"models": ["a"], "grids": [{"ratio": [0.5]}]}, "grids.0.ratio"),
        ({"models": ["a"], "grids": [{"budgets": {"latency": [0.5]}}]}, "budgets"),
        ({"models": ["a"], "grids": [{}]}, "ratios or budgets"),
        ({"models": ["a"], "grids": [{"ratios": [0.5], "seeds": [*range(9_000)]}]}, "20,000"),
        ({"models": ["a"], "grids": [{"ratios": [0.5]}], "limit": 0}, "limit"),
        (["models"], "all of it"),
    ],
)
def test_what_is_no_study_is_refused_in_a_sentence(said, part):
    assert_refused(DataError, lambda: asked.Asked.by(asked.checked(said)), part)


def test_a_plan_that_is_none_and_a_file_that_is_none_are_refused(tmp_path):
    assert_refused(InvalidPlan, lambda: asked_for(ratios=[1.5]), "ratio")
    (tmp_path / "a.toml").write_text("models = [")
    assert_refused(DataError, lambda: asked.read("a", tmp_path / "a.toml"), "cannot be read")
    assert_refused(DataError, lambda: asked.read("criteria-curves").on_imagenet(tmp_path / "no"), "not a folder")


# --- trials -----------------------------------------------------------------------------------------------------------


def test_the_rows_are_the_sweeps_and_a_plan_that_cannot_be_met_is_one_with_its_reason(monkeypatch, tiny_swin):
    data = use_tiny(monkeypatch, tiny_swin)
    wanted = asked_for(scopes=["layer"], ratios=[0.5, 0.9999], seeds=[0], budgets={"macs": [0.2]})
    kept = ledger.begin("rows", wanted, same.look(wanted))
    assert worked(kept).left == 0
    expected = list(sweep.run(tiny_swin, data, wanted.plans))
    assert sum("error" in row for row in expected) == 2
    found = ledger.named("rows").rows()
    assert [{key: row[key] for key in known} for row, known in zip(found, expected, strict=True)] == expected
    assert {row["budget_kind"] for row in found} == {None, "macs"} and {row["model"] for row in found} == {"tiny"}
    assert all(row["estimate"]["n"] == 40 for row in found if "error" not in row)
    assert not shared.columns(found[0]).keys() & {"estimate", "cells"}


def test_a_study_is_begun_once_and_goes_on_where_it_was(small):
    trial = small.take()
    small.finish(trial, rows.row("tiny", *same.open_for(small.asked, "tiny"), small.points[0][1], None))
    again = ledger.begin("small", small.asked, small.known)
    standing = again.standing()
    assert (standing.total, standing.done, standing.waiting, len(again.study.trials)) == (4, 1, 3, 4)
    other = asked_for(scopes=["layer"], ratios=[0.3], seeds=[0])
    assert_refused(DataError, lambda: ledger.begin("small", other, small.known), "another study 'small'")
    assert_refused(DataError, lambda: ledger.named("nobody"), "nobody", "there are small")


def test_two_that_begin_a_study_at_once_have_each_point_done_once(small):
    for point in (2, 0, 3):
        small.study.add_trial(create_trial(state=TrialState.WAITING, user_attrs={"point": point}))
    assert worked(small).done == 4
    done = [trial for trial in small.study.trials if trial.state == TrialState.COMPLETE]
    assert sorted(trial.user_attrs["point"] for trial in done) == [0, 1, 2, 3]
    assert {trial.number for trial in done} == {0, 1, 2, 3}  # the first of each point counts


def test_a_point_without_a_trial_gets_one_even_where_whoever_freed_it_ended(small):
    small.fail(small.take())  # and nobody mends
    assert worked(ledger.named("small")).done == 4
    assert len(small.study.trials) == 5


def test_a_point_that_ends_every_process_is_given_up_and_tells_so(small):
    lost = None
    for _ in range(ledger.TRIES):
        trial = next(trial for trial in iter(small.take, None) if lost in (None, trial.user_attrs["point"]))
        lost = trial.user_attrs["point"]
        small.fail(trial)
        small.mend()
    for trial in small.study.get_trials(states=(TrialState.RUNNING,)):
        small.give_back(trial)
    standing = worked(small)
    assert (standing.done, standing.given_up, standing.left) == (3, 1, 0)
    assert str(ledger.TRIES) in small.rows()[lost]["error"]


def test_what_a_process_measured_that_was_thought_dead_does_not_count(small):
    trial = small.take()
    small.fail(trial)  # as another process does when it hears nothing
    small.mend()
    assert small.finish(trial, {"top1": 0.5}) is False
    assert small.standing().done == 0 and small.standing().waiting == 4


@pytest.mark.parametrize("reason", [KeyboardInterrupt, DataError])
def test_who_leaves_gives_the_trial_back(small, monkeypatch, reason):
    def leave(*_):
        raise reason("no")

    monkeypatch.setattr(rows, "row", leave)
    with pytest.raises(reason):
        worked(small)
    assert small.standing().waiting == 4 and len(small.study.trials) == 4


def test_whatever_else_ends_a_trial_is_seen_and_counts_against_it(small, monkeypatch):
    def burst(*_):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(rows, "row", burst)
    with pytest.raises(RuntimeError):
        worked(small)
    assert sum(trial.state == TrialState.FAIL for trial in small.study.trials) == 1


# --- who may take part ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["DIMAP Explorer", "torch", "timm"])
def test_other_versions_are_refused(small, monkeypatch, what):
    here = same.versions()
    monkeypatch.setattr(same, "versions", lambda: {**here, what: "0.0.1"})
    assert_refused(DataError, lambda: worked(small), what, "0.0.1", here[what])


def test_other_weights_and_other_images_are_refused_and_nothing_is_taken(
    small, monkeypatch, tiny_swin, make_tiny, opened
):
    use_tiny(monkeypatch, opened(make_tiny("swin", embed_dim=16), "swin"))
    assert_refused(DataError, lambda: worked(small), "weights of 'tiny'", "copy the same files")
    use_tiny(monkeypatch, tiny_swin, digits(30))
    assert_refused(DataError, lambda: worked(small), "images of 'tiny'", "--data")
    assert small.standing().waiting == 4


def test_the_hash_of_images_sees_a_pixel_a_label_and_their_number():
    data = digits()
    assert same.images_hash(data) == same.images_hash(digits()) != same.images_hash(data, 30)
    other, moved = digits(), digits()
    object.__setattr__(other, "images", other.images.copy())
    other.images[7, 0, 3, 3] ^= 1
    object.__setattr__(moved, "labels", moved.labels.copy())
    moved.labels[0] = (moved.labels[0] + 1) % 10
    assert len({same.images_hash(found) for found in (data, other, moved)}) == 3


def test_training_images_count_where_a_plan_reads_them(tiny_swin):
    data = digits()
    reads = same.hashes(asked_for(criteria=["taylor"]), tiny_swin, data)
    assert reads.keys() - same.hashes(asked_for(), tiny_swin, data).keys() == {"training images"}


# --- the place --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "part"),
    [("not an address", "no address"), ("mysql://a@b/c", "PostgreSQL or SQLite"), ("sqlite:////dev/null/a/b", "DIMAP")],
)
def test_a_place_that_is_none_is_told_in_a_sentence(monkeypatch, setting, part):
    monkeypatch.setenv("DIMAP_STUDIES", setting)
    assert_refused(PruningError, lambda: ledger.found("a"), part)


def test_a_server_that_does_not_answer_is_told_without_its_password(monkeypatch):
    pytest.importorskip("psycopg2", reason="psycopg2 is not installed")
    monkeypatch.setenv("DIMAP_STUDIES", "postgresql://me:secret@127.0.0.1:1/base")
    with pytest.raises(PruningError, match=r"cannot be kept in 'postgresql.*me:.*@127.0.0.1:1/base'") as told:
        ledger.found("a")
    assert "secret" not in str(told.value)


def test_a_file_that_is_no_database_is_told(tmp_path, monkeypatch):
    (tmp_path / "studies.sqlite").write_text("something else " * 100)
    assert_refused(PruningError, lambda: ledger.found("a"), "studies.sqlite", "DIMAP_STUDIES")


def test_without_an_answer_a_worker_asks_again_and_gives_up_in_the_end(small, monkeypatch):
    monkeypatch.setattr(working, "_PAUSE", 0.0)
    answers, told = iter([optuna.exceptions.StorageInternalError("gone"), 7]), []

    def ask():
        found = next(answers)
        if isinstance(found, Exception):
            raise found
        return found

    worker = working.Worker(small, told=told.append)
    assert worker.steadily(ask) == 7 and len(told) == 1 and "gone" in told[0]
    monkeypatch.setattr(working, "OUTAGE", -1.0)
    answers = iter([optuna.exceptions.StorageInternalError("gone")])
    assert_refused(PruningError, lambda: worker.steadily(ask), "gone")


def test_after_an_outage_nobody_is_thought_dead_before_all_could_answer(small, monkeypatch):
    freed = []
    monkeypatch.setattr(small, "free_stale", lambda: freed.append(1))
    worker = working.Worker(small)
    worker.look_after()
    assert not freed
    worker._since -= storage.GRACE * small.asked.heartbeat + 1
    worker.look_after()
    assert freed


def test_who_asks_once_is_told_that_nobody_answers(small, monkeypatch):
    def gone(*_, **__):
        raise optuna.exceptions.StorageInternalError("gone")

    monkeypatch.setattr(small.study, "get_trials", gone)
    assert_refused(PruningError, small.report, "gone", "DIMAP_STUDIES")
