"""Many sessions under one memory limit: who waits, who makes room, what is refused, and what a closed tab leaves."""

import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from dimap_core import pipeline
from dimap_core.data.registry import load_data
from dimap_core.models import footprint, memory
from dimap_core.models.memory import GIB, SETTING
from dimap_core.pipeline import images
from dimap_core.service import index
from dimap_core.service.client import WorkerClient
from dimap_core.service.worker import Worker, _sentence
from dimap_core.types.errors import DataError, PruningError
from dimap_core.types.plan import PruningPlan
from dimap_core.types.scores import Scores
from tests.helpers import finish, serve, wait

MIB = 1024**2
ROOM = 40 * MIB  # for one small model with a cut and a batch, and for no second one


@pytest.fixture
def worker(tmp_path, monkeypatch):
    """A worker whose data set has 90 images."""
    digits = load_data("digits")
    few = replace(digits, images=digits.images[:90], labels=digits.labels[:90])
    monkeypatch.setattr(images, "load_data", lambda *_: few)
    return Worker(tmp_path)


def request(kind, model, session, weights="pretrained", ratio=0.5, **more):
    return {
        "kind": kind, "model": model, "weights": weights, "session": session, "ticket": f"{session}-{model}-{ratio}",
        "channel": "open" if kind == "open" else "live", "data": "digits", "recipe": {"version": 1, "ratio": ratio},
        **more,
    }  # fmt: skip


def test_scores_on_disk_are_not_held_in_memory_too(worker):
    worker.accept(request("open", "swin-digits", "a"))
    serve(worker)
    (opened,) = worker.models.opened.values()
    (scores,) = opened.scores.values()
    fresh = pipeline.open_model("swin-digits")
    known = pipeline.score(fresh, PruningPlan())
    assert isinstance(scores, Scores) and scores.nbytes == 0 < known.nbytes
    plan = PruningPlan(ratio=0.7)
    assert pipeline.apply_plan(opened, plan) == pipeline.apply_plan(fresh, plan)


def test_a_model_waits_until_the_ones_at_work_leave_room_and_is_told_so_once(worker):
    worker.models.limit = ROOM
    worker.accept(request("evaluate", "swin-digits", "a"))
    worker.step()
    worker.accept(request("evaluate", "deit-digits", "b"))
    worker.accept(request("open", "swin-textured", "c"))
    events = serve(worker)
    last = {name: max(i for i, e in enumerate(events) if e["ticket"].startswith(name)) for name in "abc"}
    first = {
        name: min(i for i, e in enumerate(events) if e["ticket"].startswith(name) and "Waiting" not in str(e))
        for name in "abc"
    }
    assert last["a"] < first["c"] and last["c"] < first["b"]  # to open is more urgent
    waited = [e["ticket"][0] for e in events if "Waiting until other" in str(e)]
    assert sorted(waited) == ["b", "c"]
    assert all("error" not in event for event in events)
    assert [name for name, _ in worker.models.opened] == ["deit-digits"]


def test_whoever_waited_long_comes_before_those_that_come_later(worker, monkeypatch):
    monkeypatch.setattr("dimap_core.service.worker._PATIENCE", 0.0)
    worker.models.limit = ROOM
    worker.accept(request("evaluate", "swin-digits", "a", ratio=0.5))
    worker.step()
    worker.accept(request("evaluate", "deit-digits", "b"))
    while "Waiting" not in str(worker.step()):
        pass
    worker.accept(request("evaluate", "swin-digits", "c", ratio=0.6))  # its model is there, but b's turn is next
    worker.accept(request("evaluate", "deit-digits", "b", ratio=0.7))  # a move does not send b back
    order = [event["ticket"][0] for event in serve(worker) if "Waiting" not in str(event)]
    assert order == sorted(order, key="abc".index)


def test_each_request_under_way_is_charged_a_cut(worker):
    worker.accept(request("open", "swin-digits", "a"))
    serve(worker)
    key = ("swin-digits", "pretrained")
    weights, batch = footprint.footprint("swin-digits").weights, footprint.footprint("swin-digits").batch
    worker.models.limit = (batch + 3 * weights + MIB // 2) * 8 // 7
    ask = request("evaluate", "swin-digits", "b")
    assert worker.models.admits(ask, Counter({key: 1})) and not worker.models.admits(ask, Counter({key: 2}))


@pytest.mark.parametrize(
    ("name", "told"), [("vit_giant_patch14_224", "about 7.7 GiB"), ("swin_base_patch4_window7_224", "about 841 MiB")]
)
def test_what_is_too_large_is_refused_before_it_is_loaded(worker, name, told, monkeypatch):
    monkeypatch.setenv(SETTING, "1")
    monkeypatch.setattr(pipeline, "open_model", None)
    worker.accept(request("open", name, "a", "random"))
    (event,) = serve(worker)
    assert told in event["error"] and "448 MiB are allowed" in event["error"] and SETTING in event["error"]
    assert event["error"].endswith(".") and "\n" not in event["error"]


def test_a_models_footprint_is_what_it_takes(tiny):
    for name in ("swin-digits", "deit-textured"):
        model = pipeline.open_model(name).model
        assert footprint.footprint(name).weights == sum(parameter.nbytes for parameter in model.parameters())
    largest = max(layer.macs // layer.shape[1] for layer in tiny.anatomy.layers if len(layer.shape) == 2)
    assert footprint.image_bytes(tiny.anatomy) >= 4 * 4 * largest


def test_prefix_caches_go_with_their_session_and_with_their_model(worker):
    for session, model in (("a", "swin-digits"), ("b", "deit-digits")):
        worker.accept(request("evaluate", model, session))
        serve(worker)
    held = [cache for _, cache in worker.models.caches.values()]
    assert len(held) == 2 and all(cache.used for cache in held)
    worker.accept({"cancel": "a", "channel": "live"})
    assert list(worker.models.caches) == ["a", "b"]
    worker.accept({"cancel": "a"})
    worker.models.evict(("deit-digits", "pretrained"))
    assert not worker.models.caches and not any(cache.used or cache.kept for cache in held)


def test_a_model_that_is_opened_again_is_judged_as_before(worker):
    worker.accept(request("evaluate", "deit-digits", "a"))
    serve(worker)
    key = ("deit-digits", "pretrained")
    opened = worker.models.opened[key]
    opened.bf16, opened.note = True, "Judged in bf16."
    worker.models.evict(key)
    again = worker.models.model(request("evaluate", "deit-digits", "a"))
    assert again is not opened and again.dense is opened.dense and again.sizes == opened.sizes
    assert (again.bf16, again.note) == (True, "Judged in bf16.")


def test_a_files_footprint_is_its_size(tmp_path):
    file = tmp_path / "mine.pth"
    file.write_bytes(b"x" * 1000)
    for name in (f"file:{file}", f"file:{file}@swin_tiny_patch4_window7_224"):
        assert footprint.footprint(name).needed == 2000
        with pytest.raises(PruningError, match="needs about"):
            footprint.check(name, 1999)


@pytest.mark.parametrize("text", ["many", "0", "-3", "nan", "inf"])
def test_a_setting_that_is_no_number_is_one_sentence_of_the_request(worker, text, monkeypatch):
    monkeypatch.setenv(SETTING, text)
    with pytest.raises(DataError, match=f"{SETTING} is '{text}'"):
        memory.allowed()
    worker.accept(request("open", "swin-digits", "a"))
    assert SETTING in serve(worker)[0]["error"]


def test_without_a_setting_most_of_the_machine_is_shared_by_both_workers(monkeypatch):
    monkeypatch.delenv(SETTING, raising=False)
    monkeypatch.setattr(memory, "machine", lambda: 8 * GIB)
    assert memory.allowed() == 3 * GIB
    monkeypatch.setattr(memory, "machine", lambda: 100 * GIB)
    assert memory.allowed() == 12 * GIB
    monkeypatch.setenv(SETTING, "5")
    assert memory.allowed() == 2.5 * GIB


def test_a_closed_tab_leaves_nothing_of_its_models_and_everything_of_others(worker):
    worker.accept(request("open", "swin-digits", "b"))
    serve(worker)
    mine = pipeline.open_model("deit-digits")
    key = ("file:/uploads/a/1/file.safetensors", "pretrained")
    twin = ("file:/uploads/b/2/file.safetensors", "pretrained")  # another session's copy of the same weights
    worker.models.opened[key] = worker.models.opened[twin] = mine
    folder = worker.models.folder / mine.info.fingerprint
    index.write_model(folder, mine.info, mine.anatomy, pipeline.weight_arrays(mine))
    worker.accept(request("evaluate", "swin-digits", "b"))
    worker.accept({**request("open", key[0], "a"), "ticket": "gone"})
    assert worker.accept({"forget": "file:/uploads/a/"}) == ["gone"]
    assert key not in worker.models.opened and twin in worker.models.opened and folder.exists()
    assert worker.accept({"forget": "file:/uploads/b/"}) == []
    assert twin not in worker.models.opened and not folder.exists()
    assert serve(worker)[-1] == {"ticket": "b-swin-digits-0.5", "done": True}


def test_a_real_worker_stays_under_its_limit_and_every_answer_is_right(monkeypatch):
    monkeypatch.setenv(SETTING, str(2 * ROOM / GIB))
    client, names = WorkerClient(), ("swin-digits", "deit-digits")
    opened = {name: pipeline.open_model(name) for name in names}
    try:
        large = client.submit("c", "open", request("open", "swin_large_patch4_window12_384", "c", "random"))
        finish(large)
        assert "about 1.6 GiB" in large.error and "35 MiB are allowed" in large.error
        for name, ratio in (("swin-digits", 0.5), ("deit-digits", 0.5), ("swin-digits", 0.7)):
            judged = client.submit(name, "live", request("evaluate", name, name, ratio=ratio))
            finish(judged, client.submit(name, "open", request("open", name, name)))
            assert {path.name for path in Path(client._folder.name).iterdir()} == {opened[name].info.fingerprint}
            known = pipeline.judge_fully(opened[name], pipeline.default_data(opened[name]), PruningPlan(ratio=ratio))
            assert judged.last["n"] == 540 and judged.last["cues"]["joint"]["correct"] == known.top1.correct
            assert judged.last["drops"]["joint"]["value"] == known.drops["joint"].value
        client.forget("swin-")
        wait(lambda: not (Path(client._folder.name) / opened["swin-digits"].info.fingerprint).exists())
    finally:
        client.close()


def test_allocations_beyond_the_cap_fail_and_the_process_lives_on():
    code = f"""
import numpy as np
from dimap_core.models import memory
memory._SLACK = 0
memory.cap(256 * {MIB})
try:
    np.ones(2 * 1024**3, dtype=np.uint8)
except MemoryError:
    print(int(np.ones({MIB}).sum()))
"""
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root)
    assert done.stdout.strip() == str(MIB)


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")])
def test_running_out_of_memory_is_told_in_one_sentence(error, capfd):
    told = _sentence(error)
    assert told.startswith("The model could not be run (out of memory);") and SETTING in told and told.endswith(".")
    assert type(error).__name__ in capfd.readouterr().err  # the log has it


def test_the_footprint_of_a_name_that_is_none_is_the_loaders_sentence():
    with pytest.raises(PruningError, match="There is no model 'nonsense'"):
        footprint.check("nonsense", GIB)
