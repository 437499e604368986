"""Slow models: cut and dense side by side, bf16 only where it proves equal, times told; nothing here asserts a time."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch

from dimap_core import pipeline
from dimap_core.data import batches
from dimap_core.data.registry import load_data
from dimap_core.measure import accuracy
from dimap_core.measure.device import SETTING, device
from dimap_core.measure.intervals import wilson
from dimap_core.pipeline import kept_answers, opened as opened_module, precision, streaming, timing
from dimap_core.pipeline.precision import Precision
from dimap_core.studies import sweep
from dimap_core.types import text as words
from dimap_core.types.errors import DataError
from dimap_core.types.plan import PruningPlan

PLAN = PruningPlan(ratio=0.8)


@pytest.fixture
def model(make_tiny, opened):
    """A tiny Swin that passes as a trained one of timm's, and is slow."""
    found = opened(make_tiny("swin"), "swin")
    found.info = replace(found.info, source="timm")
    found.seconds = 0.2
    return found


@pytest.fixture(autouse=True)
def _slow(monkeypatch):
    monkeypatch.setattr(timing, "SLOW", 0)


@pytest.fixture(scope="module")
def data():
    digits = load_data("digits")
    return replace(digits, images=digits.images[:300], labels=digits.labels[:300])


def test_side_by_side_ends_where_judging_one_after_the_other_ends(model, data, make_tiny, opened):
    found = [estimate for estimate in streaming.side_by_side(model, data, PLAN) if estimate]
    other = opened(make_tiny("swin"), "swin")
    known = pipeline.judge_fully(other, data, PLAN)
    assert (found[-1].cues, found[-1].top5, found[-1].drops) == (known.cues, known.top5, known.drops)
    assert [estimate.n for estimate in found[:3]] == [2, 7, 12] and found[0].drops["joint"].n == 2
    np.testing.assert_array_equal(model.dense["digits"].classes, other.dense["digits"].classes)


def test_what_is_known_of_the_dense_model_is_not_judged_again(model, data, monkeypatch):
    streaming.extend_dense(model, data, 130)
    judged = []
    predict = accuracy.predict
    monkeypatch.setattr(
        streaming, "predict", lambda *a, start=0, **k: (judged.append(start), predict(*a, start=start, **k))[1]
    )
    streaming.extend_dense(model, data, 120)
    streaming.extend_dense(model, data, 200)
    assert judged == [130, 130] and len(model.dense["digits"].classes) == 200
    pairs = list(islice(sweep.compare(model, data, PLAN), 3))
    assert [len(dense.classes) for _, dense, _ in pairs] == [len(images) for images, _, _ in pairs] == [2, 5, 5]


def test_the_stream_tells_the_time_first_and_the_same_numbers_last(model, data):
    model.note = "tried before"
    first, *events = streaming.stream(model, data, PLAN)
    assert first == {"doing": "About 2 min for 300 images on this machine"}
    found = [event for event in events if event]
    known = pipeline.judge_fully(model, data, PLAN)
    assert found[-1]["cues"]["joint"]["correct"] == known.top1.correct and found[-1]["left"] == 0
    assert {event["note"] for event in found} == {"tried before"}


@pytest.mark.parametrize("usable", [True, False])
def test_bf16_takes_over_unseen_and_never_mixes_with_fp32(model, data, monkeypatch, usable):
    monkeypatch.setattr(Precision, "usable", usable)
    monkeypatch.setattr(opened_module, "SLOWER", 1000)
    events = [event for event in streaming.stream(model, data, PLAN) if "n" in event]
    counts = [event["n"] for event in events]
    assert counts == sorted(set(counts)) and counts[-1] == 300
    assert model.bf16 == usable
    assert events[0]["note"] == "" and events[-1]["note"].startswith(f"Judged in {'bf16' if usable else 'fp32'}: bf16")
    assert "of 60 predictions" in events[-1]["note"]
    monkeypatch.setattr(precision, "check_later", lambda opened: False)
    again = [event for event in streaming.stream(model, data, PLAN) if "n" in event][-1]
    assert (events[-1]["cues"], events[-1]["drops"]) == (again["cues"], again["drops"])


def test_a_move_in_the_middle_asks_neither_the_dense_model_nor_the_trial_of_bf16_again(model, data, monkeypatch):
    monkeypatch.setattr(Precision, "usable", False)
    monkeypatch.setattr(opened_module, "SLOWER", 1000)
    asked = {"cut or dense": [], "both ways": []}
    predict = accuracy.predict

    def counting(name):
        def run(net, info, images, run=None, limit=None, sizes=(60,), start=0):
            for batch in predict(net, info, images, run, limit, sizes, start):
                asked[name].append((start, len(batch.classes)))
                start += len(batch.classes)
                yield batch

        return run

    monkeypatch.setattr(streaming, "predict", counting("cut or dense"))
    monkeypatch.setattr(precision, "predict", counting("both ways"))
    for event in streaming.stream(model, data, PLAN):
        if event.get("n", 0) > 40:
            break
    known = len(model.dense["digits"].classes)
    assert known == event["n"] == precision.reached(model, data)
    # Until here the cut alone by itself: the dense model's answers come out of the trial.
    assert sum(n for _, n in asked["cut or dense"]) == known
    asked["cut or dense"].clear()
    events = list(streaming.stream(model, data, replace(PLAN, ratio=0.5)))
    assert [start for start, _ in asked["cut or dense"]][:4] == [0, 2, 7, 12]
    starts = [start for start, _ in asked["both ways"]]
    assert starts == sorted(starts) and sum(n for _, n in asked["both ways"]) == 2 * 60
    assert model.note.startswith("Judged in fp32: bf16 changed") and "of 60 predictions" in model.note
    last = [event for event in events if "n" in event][-1]
    plain = pipeline.judge_fully(model, data, replace(PLAN, ratio=0.5))
    assert last["cues"]["joint"]["correct"] == plain.top1.correct and last["left"] == 0
    assert events[0] == {"doing": f"About {words.duration((600 - known) * 0.2)} for 300 images on this machine"}
    # A trial in which two take turns counts every image once.
    model.note, model.trials = "", {}
    first, second = (precision.measure(model, data, 60, (7,)) for _ in range(2))
    done = [next(steps)[0] for steps in (first, second, first)]
    assert done == [7, 14, 21] and list(second)[-1][2].changed.n == 60


def test_what_took_long_to_ask_is_kept_for_those_who_come_back(model, data, monkeypatch, tmp_path):
    monkeypatch.setenv("DIMAP_HOME", str(tmp_path))
    monkeypatch.setattr(Precision, "usable", True)
    monkeypatch.setattr(opened_module, "SLOWER", 1000)
    list(streaming.stream(model, data, PLAN))
    assert not list(tmp_path.rglob("*"))  # this took no ten seconds
    monkeypatch.setattr(kept_answers, "LONG", 0.0)

    def again(**more):
        """The same model, opened anew."""
        fresh = replace(model, dense={}, trials={}, bf16=False, note="", **more)
        steps = streaming.stream(fresh, data, replace(PLAN, ratio=0.5))
        return fresh, steps, next(steps)["doing"]

    known = model.dense["digits"]
    model.dense["digits"] = known.part(0, 40)
    *_, last = streaming.stream(model, data, replace(PLAN, ratio=0.5))
    fresh, steps, doing = again()
    assert doing == "About 60 s for 300 images on this machine"  # the cut's alone
    assert (fresh.bf16, fresh.note, fresh.trials) == (True, model.note, model.trials)
    np.testing.assert_array_equal(fresh.dense["digits"].classes, known.classes)
    monkeypatch.setattr(streaming, "in_precision", lambda *_: lambda *_: pytest.fail("the dense model was asked"))
    *_, found = steps
    assert (found["cues"], found["drops"], found["note"]) == (last["cues"], last["drops"], model.note)
    # Other weights, other labels, and a file that is none: as if nothing were kept.
    unknown = "About 2 min for 300 images on this machine"
    assert again(info=replace(model.info, fingerprint="0" * 64))[2] == unknown
    other = replace(data, labels=data.labels[::-1].copy())
    assert next(streaming.stream(replace(fresh, dense={}), other, PLAN))["doing"] == unknown
    (file,) = tmp_path.rglob("*.safetensors")
    file.write_bytes(file.read_bytes()[:-100])
    assert again()[2] == unknown


def test_predictions_that_bf16_changes_are_counted(model, data, monkeypatch):
    monkeypatch.setattr(opened_module, "SLOWER", 1000)
    *_, (done, total, found) = precision.measure(model, data, 120)
    order = batches.stratified_order(data.labels)[:120]
    images = batches.normalised(model.info, data.images[order])
    with torch.inference_mode():
        full = torch.cat([model.model(part).argmax(1) for part in images.split(8)])
        with torch.autocast("cpu", torch.bfloat16):
            short = torch.cat([model.model(part).argmax(1) for part in images.split(8)])
    assert (done, total) == (120, 120) and found.changed == wilson(int((full != short).sum()), 120)
    np.testing.assert_array_equal(model.dense["digits"].classes, full.numpy())


def test_bf16_is_taken_if_it_is_faster_and_changes_at_most_the_stated_share(model):
    equal, slower, other = (Precision(wilson(c, 200), fast) for c, fast in ((1, 1.5), (0, 0.9), (2, 3.0)))
    assert equal.usable and not slower.usable and not other.usable
    assert "changed 1 of 200 predictions (95 % interval 0.1 to 2.8 %) and is 1.5 times as fast" in equal.sentence
    assert slower.sentence.endswith("it is not faster.") and other.sentence.endswith("more than 0.5 % changed.")
    model.dense["digits"] = "judged in fp32"
    precision.settle(model, other)
    assert not model.bf16 and model.dense
    precision.settle(model, equal)
    assert model.bf16 and not model.dense and not precision.check_later(model)


def test_a_command_judges_bundled_models_in_fp32_unless_told_otherwise(model, data):
    bundled = replace(model, info=replace(model.info, source="bundled"))
    assert list(precision.prepare(bundled, data, "auto")) == ["about 60 s for 300 images on this machine"]
    assert not bundled.bf16
    lines = list(precision.prepare(model, data, "auto"))
    assert lines[1].startswith("comparing bf16 with fp32, 2 of 60") and lines[-1] == model.note
    assert list(precision.prepare(model, data, "auto", limit=100)) == ["about 20 s for 100 images on this machine"]
    list(precision.prepare(model, data, "bf16"))
    assert model.bf16
    with pytest.raises(DataError, match="no precision"):
        list(precision.prepare(model, data, "fp8"))


def test_batches_are_short_and_bounded(model):
    assert list(islice(timing.batches(model), 3)) == [2, 5, 5]
    model.seconds = 5.0
    assert list(islice(timing.batches(model), 2)) == [2, 2]
    model.seconds = 1e-6
    assert list(islice(timing.batches(model), 2)) == [2, 60]
    assert timing.seconds_an_image(model) > 0


def test_the_device_is_the_processor_here_and_a_setting_is_checked(monkeypatch):
    monkeypatch.setenv(SETTING, "cpu")
    assert device() == torch.device("cpu")
    for text in ("tpu", "mps:x", "cuda" if not torch.cuda.is_available() else "xpu", "cpu:many"):
        monkeypatch.setenv(SETTING, text)
        with pytest.raises(DataError, match=f"{SETTING} is '{text}'"):
            device()


def test_durations_and_sizes_are_said_in_round_words():
    assert [words.duration(s) for s in (0.2, 7, 23, 89, 200, 9000, 2e5)] == [
        "1 s", "7 s", "25 s", "90 s", "3 min", "2 h", "2 days",
    ]  # fmt: skip
    assert (words.size(37 * 2**20), words.size(1.26 * 2**30)) == ("37 MiB", "1.3 GiB")
