"""Recovery: what is cut stays cut, what is measured is what a fresh look measures, a stop costs nothing."""

import json
import os
import runpy
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState
from safetensors.torch import load_file, save_file

from dimap_core import pipeline
from dimap_core.models import checkpoints
from dimap_core.models.load import load_model
from dimap_core.pipeline import results
from dimap_core.training.recovery import Kept, from_directory, from_plan, recover
from dimap_core.training.settings import PRESETS, Settings, preset_settings
from dimap_core.types.errors import CheckpointError, DataError, InvalidPlan
from dimap_core.types.plan import PruningPlan
from tests.helpers import same_result

ROOT = Path(__file__).parents[2]
SMALLER = PruningPlan("magnitude", "structure", "layer", None, budget=0.7)
ZEROS = PruningPlan("magnitude", "weight", "layer", 0.85)
NAMES = tuple(f"a {digit}" for digit in range(10))
BRIEF = Settings(epochs=0.5, lr=5e-4, augment="affine")


def end(events):
    *_, last = events
    return last["result"]


@pytest.mark.parametrize("plan", [SMALLER, ZEROS], ids=["smaller", "zeros"])
def test_a_cut_is_recovered_and_stays_a_cut(tmp_path, plan):
    opened = pipeline.open_model("swin-digits")
    pipeline.save_pruned(tmp_path / "pruned", opened, plan)
    result = end(recover(from_directory(tmp_path / "pruned"), BRIEF, tmp_path / "out"))
    again = pipeline.open_model(str(tmp_path / "out"))
    judged = pipeline.judge_fully(again, pipeline.default_data(again))
    assert (judged.top1.value, judged.n) == (result["top1_after"], result["n"]) and judged.n == 540
    before = pipeline.open_model(str(tmp_path / "pruned"))
    for found in (before, again):
        assert found.info.zeroed == (plan is ZEROS)
        assert results.counted(found.model, found.anatomy, found.info.zeroed).items() <= result.items()
    assert ("params_nonzero" in result) == (plan is ZEROS)
    assert pipeline.judge_fully(before, pipeline.default_data(before)).top1.value == result["top1_before"]
    gain, low, high = result["gain"]
    assert gain == pytest.approx(result["top1_after"] - result["top1_before"]) and low < gain < high
    assert checkpoints.read_card(tmp_path / "out")["recovered"]["settings"]["lr"] == 5e-4


def test_recovery_brings_back_most_of_what_a_deep_cut_lost(tmp_path):
    opened = pipeline.open_model("deit-digits")
    plan = replace(SMALLER, criterion="random", seed=3)
    result = end(recover(from_plan(opened, plan), replace(BRIEF, epochs=1, distill="soft"), tmp_path))
    assert result["top1_before"] < 0.6 and result["top1_after"] > 0.9 and result["gain"][1] > 0.25


def test_a_recovery_that_was_killed_goes_on_from_its_last_state(tmp_path, monkeypatch):
    monkeypatch.setattr(Kept, "_LEAST", 0.0)
    monkeypatch.setattr(Kept, "_SHARE", 1e9)
    opened = pipeline.open_model("swin-digits")
    pieces = replace(BRIEF, batch_size=200, epochs=1)
    whole = end(recover(from_plan(opened, SMALLER), pieces, tmp_path / "whole"))
    state = tmp_path / "state"
    for event in recover(from_plan(opened, SMALLER), pieces, tmp_path / "out", state):
        if event.get("step") == 4:
            break  # after it the state of step 4 was on its way; a kill may leave it half written
    newest = max(state.glob("*/whole"), key=lambda mark: mark.stat().st_mtime_ns)
    newest.unlink()
    steps = [e for e in recover(from_plan(opened, SMALLER), pieces, tmp_path / "out", state) if e]
    first = next(event["step"] for event in steps if "step" in event)
    assert first == 4
    assert same_result(steps[-1]["result"], whole, whole["n"], ("seconds", "out"))


@pytest.fixture(scope="module")
def from_file(tmp_path_factory):
    """(checkpoint file, directory of a cut of it, directory of a cut of that) of a trained model with other weights."""
    place = tmp_path_factory.mktemp("file")
    state = load_file(ROOT / "assets" / "deit-digits.safetensors")
    told = {"class_to_idx": json.dumps({name: number for number, name in enumerate(NAMES)})}
    save_file({key: value * 1.01 for key, value in state.items()}, place / "mine.safetensors", told)
    for source, out in (("mine.safetensors", "a"), ("a", "b")):
        pipeline.save_pruned(place / out, pipeline.open_model(str(place / source)), SMALLER)
    return place / "mine.safetensors", place / "a", place / "b"


def same(model, file):
    there = load_model(str(file))[0].state_dict()
    return all(torch.equal(value, there[key]) for key, value in model.state_dict().items())


def test_the_dense_model_is_the_file_that_the_cut_was_made_from(from_file, monkeypatch):
    file, *cuts = from_file
    monkeypatch.chdir(ROOT)
    for cut in cuts:
        assert same(from_directory(cut, "digits", distill=True).dense, file)


def test_a_file_that_changed_is_no_teacher_and_not_missed_where_nothing_is_distilled(from_file, tmp_path):
    file, cut, _ = from_file
    for change in (lambda: save_file(load_file(ROOT / "assets" / "deit-digits.safetensors"), file), file.unlink):
        kept = file.read_bytes()
        change()
        try:
            pruned = from_directory(cut, "digits")
            with pytest.raises(
                CheckpointError, match=r"^The dense model that .* name it with --dense, or train without"
            ):
                from_directory(cut, "digits", distill=True)
        finally:
            file.write_bytes(kept)
        assert pruned.dense is None
    result = end(recover(pruned, replace(BRIEF, epochs=0.1), tmp_path / "out"))
    assert "against_dense" not in result and result["gain"]
    assert pipeline.open_model(str(tmp_path / "out")).info.class_names == NAMES
    with pytest.raises(CheckpointError, match="name it with --dense"):
        end(recover(pruned, replace(BRIEF, distill="soft"), tmp_path / "out"))


def test_the_dense_model_can_be_named(from_file, tmp_path):
    file, cut, _ = from_file
    (tmp_path / "moved.safetensors").write_bytes(file.read_bytes())
    assert same(from_directory(cut, "digits", str(tmp_path / "moved.safetensors"), True).dense, file)
    with pytest.raises(
        CheckpointError, match=r"'swin-textured' .* cannot teach .*; name the model that it was made from"
    ):
        from_directory(cut, "digits", "swin-textured", True)


def test_a_place_that_cannot_be_written_is_told_before_anything_is_trained(tmp_path):
    (tmp_path / "file").touch()
    pruned = from_plan(pipeline.open_model("deit-digits"), SMALLER)
    with pytest.raises(CheckpointError, match="cannot be written"):
        next(recover(pruned, BRIEF, tmp_path / "file"))


def test_two_processes_train_what_one_trains(tmp_path, monkeypatch, capsys):
    program = ROOT / "tests" / "programs" / "train_a_little.py"
    monkeypatch.setattr(sys, "argv", ["", str(tmp_path / "one")])
    monkeypatch.setattr(AcceleratorState, "_shared_state", {})  # it knows one precision in a process
    runpy.run_path(str(program))
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--standalone", program]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    two = subprocess.run([*command, tmp_path / "two"], env=environment, capture_output=True, text=True, check=True)
    assert (capsys.readouterr().out.split(), two.stdout.split()) == (["1", "12"], ["2", "12"])
    one, two = load_file(tmp_path / "one"), load_file(tmp_path / "two")
    assert max((one[key] - two[key]).abs().max().item() for key in one) < 1e-4


def test_the_papers_preset_is_the_papers():
    preset = preset_settings("dimap", "digits", {})
    assert (preset.epochs, preset.lr, preset.weight_decay, preset.warmup) == (30, 2e-5, 1e-8, 0.5)
    assert preset.lr / preset.rise == pytest.approx(2e-8) and preset.lr / preset.rise / preset.fall == pytest.approx(
        2e-7
    )
    assert preset_settings("suited", None, {"epochs": 3}).epochs == 3
    with pytest.raises(InvalidPlan, match="choose one of suited, dimap"):
        preset_settings("best", None, {})


def test_what_cannot_be_recovered_is_one_sentence(tmp_path):
    with pytest.raises(CheckpointError, match="prune a model with --out first"):
        from_directory(Path("swin-digits"))
    random = pipeline.open_model("deit_tiny_patch16_224", "random")
    with pytest.raises(DataError, match="random weights"):
        from_plan(random, SMALLER)
    swin = pipeline.open_model("swin-digits")
    with pytest.raises(DataError, match="No training images are known"):
        from_plan(replace(swin, info=replace(swin.info, data=None)), SMALLER)
    assert PRESETS["suited"].epochs == 10
