"""Files and folders: whole or not at all, with the umask's mode, and one sentence where a disk takes no more."""

import copy
import errno
import io
import os
import stat
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from dimap_core import pipeline
from dimap_core.cli import commands, reproduce
from dimap_core.data import sets
from dimap_core.models import checkpoints
from dimap_core.models.load import load_model
from dimap_core.models.to_onnx import write_onnx
from dimap_core.service import index
from dimap_core.service.uploads import Uploads, little_room, room_left
from dimap_core.service.worker import Worker, _sentence
from dimap_core.studies import sweep
from dimap_core.studies.dimap_table3 import Journal
from dimap_core.training import comparison
from dimap_core.training.loop import Training
from dimap_core.training.methods import latency_table
from dimap_core.training.recovery import Kept
from dimap_core.training.settings import Settings
from dimap_core.types.errors import DataError, PruningError
from dimap_core.types.plan import PruningPlan
from dimap_core.types.writing import check_place, whole_file, whole_folder
from tests.helpers import assert_refused, full_disk, serve

HALF = PruningPlan("magnitude", "structure", "layer", 0.5)


def listed(folder):
    """Every file below a folder with its content."""
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def onnx(opened, place):
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 64)).eval()
    write_onnx(model, replace(opened.info, input_size=8), place / "m.onnx")


def pruned(opened, place):
    pipeline.save_pruned(place / "a", opened, HALF)


def rows(opened, place):
    sweep.write_csv([{"ratio": number} for number in range(10_000)], place / "rows.csv")


def table(opened, place):
    reproduce._write(place / "table.json", {"rows": [0] * 10_000})


def latencies(opened, place):
    latency_table._write(place / "cells.json", {"cells": [0] * 10_000})


def measured(opened, place):
    comparison.write(comparison.read(), place / "rows.json")


def answers(opened, place):
    with whole_file(place / "x" / "y" / "card.json") as part:
        part.write_bytes(b"0" * 50_000)


WRITERS = (onnx, pruned, rows, table, latencies, measured, answers)


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
def test_a_full_disk_leaves_what_was_there_and_is_one_sentence(tiny_swin, tmp_path, write):
    with full_disk(4096):
        assert_refused(
            PruningError,
            lambda: write(tiny_swin, tmp_path),
            str(tmp_path),
            "no space left",
            "make room there, or choose ",
        )
    assert list(tmp_path.iterdir()) == []
    write(tiny_swin, tmp_path)
    before = listed(tmp_path)
    with full_disk(4096):
        assert_refused(PruningError, lambda: write(tiny_swin, tmp_path), "no space left")
    assert before and listed(tmp_path) == before


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_modes_follow_the_umask_whoever_wrote_the_file(tiny_swin, tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        for write in WRITERS[1:3]:
            write(tiny_swin, tmp_path)
    finally:
        os.umask(before)
    found = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")}
    files = ("model.safetensors", "card.json", "recipe.json", "load_pruned.py", "rows.csv")
    assert found == {**dict.fromkeys(files, mode), "a": 0o777 & ~umask}


def test_a_newer_checkpoint_replaces_an_older_one_and_no_other_file(tiny_swin, tmp_path):
    checkpoints.write(tmp_path, tiny_swin.model.state_dict(), {"model": "x", "weights": "random"}, {"an older": "plan"})
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "more").mkdir()
    checkpoints.write(tmp_path, {"t": tiny_swin.model.norm.weight}, {"model": "y", "weights": "random"})
    assert {path.name for path in tmp_path.iterdir()} == {"model.safetensors", "card.json", "notes.txt", "more"}
    assert checkpoints.read(tmp_path)[1]["model"] == "y"


@pytest.mark.parametrize("name", ["model.safetensors", "card.json"])
def test_files_of_the_same_names_that_are_no_checkpoint_are_not_lost(tiny_swin, tmp_path, name):
    (tmp_path / name).write_bytes(b"someone's own")
    assert_refused(
        PruningError,
        lambda: pipeline.save_pruned(tmp_path, tiny_swin, HALF),
        f"holds a {name}",
        "choose another directory",
    )
    assert listed(tmp_path) == {tmp_path / name: b"someone's own"}


def test_a_move_that_fails_half_way_brings_the_older_files_back(tmp_path, monkeypatch):
    (tmp_path / "a").write_text("old a")
    (tmp_path / "b").write_text("old b")
    (tmp_path / "gone").write_text("old")
    before, rename = listed(tmp_path), Path.rename

    def fails(path, target):
        if path.name == "c" and ".part" in str(path):
            raise OSError(errno.EIO, "no more")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fails)

    def write():
        with whole_folder(tmp_path, instead_of=("gone",)) as part:
            for name in "abc":
                (part / name).write_text(f"new {name}")

    assert_refused(PruningError, write, "no more")
    assert listed(tmp_path) == before


def test_links_are_followed_and_devices_written_to(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "near.csv").symlink_to(tmp_path / "far" / "rows.csv")
    for number in (1, 2):
        sweep.write_csv([{"ratio": number}], tmp_path / "near.csv")
    assert (tmp_path / "near.csv").is_symlink() and "2" in (tmp_path / "far" / "rows.csv").read_text()
    assert_refused(
        PruningError, lambda: sweep.write_csv([{"ratio": 1}], Path("/dev/full")), "'/dev/full'", "no space left"
    )
    sweep.write_csv([{"ratio": 1}], Path("/dev/null"))
    check_place(Path("/dev/null"))
    assert all(Path(device).is_char_device() for device in ("/dev/null", "/dev/full"))


def test_a_place_is_tried_without_a_trace(tmp_path):
    check_place(tmp_path / "a" / "b")
    (tmp_path / "file").write_text("kept")
    check_place(tmp_path / "file")
    assert listed(tmp_path) == {tmp_path / "file": b"kept"}
    assert_refused(
        PruningError, lambda: check_place(tmp_path / "file" / "x"), "cannot be written", "choose another place"
    )


def test_a_state_that_cannot_be_kept_leaves_the_one_before(tiny_swin, tmp_path, monkeypatch):
    monkeypatch.setattr(Kept, "_LEAST", 0.0)
    monkeypatch.setattr(Kept, "_SHARE", 1e9)
    training = Training(copy.deepcopy(tiny_swin.model), pipeline.default_data(tiny_swin), Settings(epochs=0.1))
    kept = Kept(training, tmp_path)
    kept.after(1.0)
    with full_disk(4096):
        assert_refused(
            PruningError, lambda: kept.after(2.0), str(tmp_path), "cannot be written", "go on from the older state"
        )
    assert [path.parent.name for path in tmp_path.glob("*/whole")] == ["a"]
    Kept(training, tmp_path)  # opens it


def test_what_is_measured_for_a_table_is_told_where_it_cannot_be_kept(tmp_path):
    journal = Journal(tmp_path / "x.jsonl")
    with full_disk(0):
        assert_refused(PruningError, lambda: journal.add({}, 1, 1), "x.jsonl", "no space left", "choose another --out")


def test_an_upload_or_a_zip_that_the_temporary_folder_does_not_take(tiny_swin, tmp_path, monkeypatch):
    store = Uploads()
    with full_disk(4096):
        assert_refused(
            PruningError, lambda: store.add("s", "w.pth", io.BytesIO(b"0" * 9999), ".x"), "no space left", "TMPDIR"
        )
    assert store.of("s") == () and not [path for path in store.folder("s").rglob("*") if path.is_file()]
    store.close()
    pruned(tiny_swin, tmp_path)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for path in (tmp_path / "a").iterdir():
            archive.write(path, path.name)
    with full_disk(4096):
        assert_refused(PruningError, lambda: load_model(str(tmp_path / "a.zip")), "no space left", "TMPDIR")
    assert load_model(str(tmp_path / "a.zip"))[1].source == "file"


def test_uploads_may_be_as_large_as_the_temporary_folder_has_room_for_twice(monkeypatch):
    for free, most in ((10**12, 2048), (300 * 1024**2, 128), (2 * 1024**2, 1), (1000, 0)):
        monkeypatch.setattr("shutil.disk_usage", lambda _, free=free: type("Usage", (), {"free": free}))
        assert room_left(2048) == most
    assert "only for files up to 128 MiB" in little_room(128) and "for no file" in little_room(0)


def test_the_worker_says_that_the_disk_is_full_and_leaves_no_half_index(tiny_swin, tmp_path):
    weights = pipeline.weight_arrays(tiny_swin)
    with full_disk(4096), pytest.raises(OSError, match="large") as error:
        index.write_model(tmp_path / "model", tiny_swin.info, tiny_swin.anatomy, weights)
    assert "no space left" in _sentence(error.value) and "TMPDIR" in _sentence(error.value)
    assert not (tmp_path / "model" / "anatomy.json").exists()  # what says that the others are complete
    index.write_model(tmp_path / "model", tiny_swin.info, tiny_swin.anatomy, weights)
    again = index.read_weights(tmp_path / "model", tiny_swin.anatomy)
    assert all(np.array_equal(again[name], weights[name]) for name in weights)


def test_a_download_is_made_whole_or_told_why_not(tmp_path):
    worker = Worker(tmp_path)
    recipe = {"version": 1, "criterion": "magnitude", "granularity": "structure", "scope": "layer", "ratio": 0.5}
    asked = {"kind": "export", "model": "deit-digits", "weights": "pretrained", "recipe": recipe}

    def last(ticket):
        worker.accept({**asked, "format": "checkpoint", "session": "s", "channel": "live", "ticket": ticket})
        return next(event for event in reversed(serve(worker)) if event.get("event") or "error" in event)

    with full_disk(4096):
        failed = last("1")
    assert "no space left" in failed["error"] and failed["error"].endswith("."), failed
    assert not [path for path in (tmp_path / "exports").rglob("*") if path.is_file()]
    assert load_model(last("2")["event"]["file"])[1].weights == "trained"


def test_a_set_is_fetched_whole_or_not_at_all(tmp_path, monkeypatch):
    monkeypatch.setenv("DIMAP_DATA", str(tmp_path / "data"))

    def unpack(archive, root):
        (root / "imagenette2-320" / "train").mkdir(parents=True)
        (root / "imagenette2-320" / "train" / "x.jpg").write_bytes(b"0" * 9999)

    monkeypatch.setattr(sets, "download", lambda *_, **__: None)
    monkeypatch.setattr(sets, "extract_archive", unpack)
    with full_disk(4096):
        assert_refused(PruningError, lambda: sets.fetch("imagenette"), "no space left", "DIMAP_DATA")
    assert list((tmp_path / "data").iterdir()) == []
    assert sets.fetch("imagenette") == tmp_path / "data" / "imagenette2-320"
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["imagenette2-320"]


@pytest.mark.parametrize(
    "command",
    [
        ("export", "deit-digits", "--out", "{}/m.onnx"),
        ("prune", "deit-digits", "--ratio", "0.5", "--out", "{}/a"),
        ("sweep", "deit-digits", "--criteria", "magnitude", "--scopes", "layer", "--ratios", "0.5", "--limit", "9",
         "--out", "{}/rows.csv"),
    ],
    ids=lambda command: command[0],
)  # fmt: skip
def test_a_command_on_a_full_disk_is_one_sentence_and_exit_2(call, tmp_path, command):
    words = [word.format(tmp_path) for word in command]
    with full_disk(100):
        code, _, told = call(*words)
    assert code == 2 and told.splitlines()[-1].endswith(".") and "no space left" in told, told
    assert "Traceback" not in told and list(tmp_path.iterdir()) == []


def test_a_sweep_that_is_stopped_leaves_the_rows_of_the_one_before(call, tmp_path, monkeypatch):
    (tmp_path / "rows.csv").write_text("ratio\n0.5\n")

    def stopped(*_):
        raise DataError("Stopped.")
        yield

    monkeypatch.setattr(sweep, "run", stopped)
    assert call("sweep", "deit-digits", "--out", tmp_path / "rows.csv")[0] == 2
    assert (tmp_path / "rows.csv").read_text() == "ratio\n0.5\n"


def test_an_output_that_takes_no_more_is_one_sentence(monkeypatch, capfd):
    monkeypatch.setattr(sys, "argv", ["dimap_core", "models", "--json"])
    with Path("/dev/full").open("w") as full, monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", full)
        with pytest.raises(SystemExit) as leaving:
            commands.main()
    assert leaving.value.code == 2 and "no space left" in capfd.readouterr().err
