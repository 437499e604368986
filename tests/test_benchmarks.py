"""Benchmarks of several models: whose rows a run replaces, which models it leaves out, by which images it judges."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from PIL import Image

from benchmarks import criteria, judging, measured, oneshot, results, searches, structured, studies
from dimap_core.models.bundled import CIFAR10
from dimap_core.pipeline import default_data, open_model, training_data
from dimap_core.training import comparison

EACH = {"train": 3, "val": 2}  # pictures of a class


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of pictures as photographs have to lie; what is on them does not matter here."""
    root, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for split, each in EACH.items():
        for name in CIFAR10:
            place = root / split / name
            place.mkdir(parents=True)
            for number in range(each):
                Image.fromarray(rng.integers(0, 256, (32, 32, 3), np.uint8)).save(place / f"{number}.jpg")
    return root


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """Where runs of these tests keep what they find, with a result measured long ago."""
    place = tmp_path / "results"
    place.mkdir()
    monkeypatch.setattr(measured, "RESULTS", place)
    old = measured.Result("Old", "python -m benchmarks.old", "1999-12-31", "here", "0", "540", "none", "", "As said.")
    for name in ("old", "foretold", "swift"):
        (place / f"{name}.json").write_text(json.dumps(asdict(old)), encoding="utf-8")
    return tmp_path


def command(monkeypatch, *words):
    monkeypatch.setattr("sys.argv", ["/somewhere/benchmarks/old.py", *map(str, words)])


def given(monkeypatch, *words):
    command(monkeypatch, *words)
    return judging.asked(judging.command_line("", ["swin-digits", *judging.PHOTOGRAPHS]).parse_args())


def test_without_photographs_their_models_are_left_out_and_named(monkeypatch, capsys):
    names, _ = given(monkeypatch)
    assert names == ["swin-digits"]
    told = capsys.readouterr().err
    assert all(name in told for name in judging.PHOTOGRAPHS) and "--photos FOLDER" in told
    names, _ = given(monkeypatch, "swin-photos")
    assert names == []


def test_photographs_judge_and_train_their_models_alone(monkeypatch, folder):
    names, images = given(monkeypatch, "--photos", folder)
    assert names == ["swin-digits", *judging.PHOTOGRAPHS]
    photos = images.open("swin-photos")
    assert (len(default_data(photos)), len(training_data(photos))) == (20, 30)
    assert images.told("swin-photos") == "20 photographs of val/" and not images.told("swin-digits")
    assert default_data(images.open("swin-digits")).name == "digits"
    few = given(monkeypatch, "--photos", folder, "--judge", 10)[1]
    assert few.told("swin-photos") == "10 photographs of val/" and len(default_data(few.open("swin-digits"))) == 540


def test_a_run_on_photographs_keeps_what_is_known_of_the_others_and_tells_no_path(monkeypatch, kept):
    command(monkeypatch, "swin-photos", "--photos", "/home/someone/pictures", "--zeros", "")
    measured.store("old", ["model"], [["swin-photos"]], "swin-photos", "10 photographs of val/")
    new = measured.stored("old")
    assert (new.command, new.date, new.n, new.reading) == ("python -m benchmarks.old", "1999-12-31", "540", "As said.")
    run = new.photos["swin-photos"]
    assert run["command"] == "python -m benchmarks.old swin-photos --photos FOLDER --zeros ''"
    assert (run["n"], run["reading"]) == ("10 photographs of val/", "") and run["date"] > new.date
    command(monkeypatch, "--photos=/home/someone/pictures")
    measured.store("old", ["model"], [["swin-photos"]], "other-photos", "20 photographs of val/")
    measured.store("old", ["model"], [["swin-photos"]], "swin-digits")
    new = measured.stored("old")
    assert new.command == "python -m benchmarks.old --photos=FOLDER" and not new.reading
    assert new.photos["swin-photos"] == run and new.photos["other-photos"]["n"] == "20 photographs of val/"
    shown = results._section("old", new)
    assert "n: 10 photographs of val/" in shown and "someone" not in json.dumps(asdict(new))


@pytest.mark.parametrize(("module", "name"), [(structured, "structured"), (criteria, "criteria")])
def test_measuring_one_model_keeps_the_rows_of_the_others(monkeypatch, kept, folder, capsys, module, name):
    file = kept / f"{name}.json"
    file.write_text(json.dumps(module.read()), encoding="utf-8")
    before = {found["model"]: found for found in measured.read(file)}
    monkeypatch.setattr(module, "FILE", file)
    monkeypatch.setattr(module, "FAMILIES", {"DIMAP, structured": ("dimap", "module", 0.0)}, raising=False)
    monkeypatch.setattr(module, "CRITERIA", criteria.CRITERIA[:1], raising=False)
    monkeypatch.setattr(module, "BUDGETS", (0.5,))
    monkeypatch.setattr(module, "WEIGHTS", {}, raising=False)
    command(monkeypatch, "swin-photos")
    judging.run("", file, module.measure)
    assert {found["model"]: found for found in measured.read(file)} == before  # left out
    command(monkeypatch, "swin-photos", "--photos", folder)
    judging.run("", file, module.measure)
    after = {found["model"]: found for found in measured.read(file)}
    assert after.pop("swin-photos")["dense"]["n"] == 20 and after == before
    assert measured.stored(name).photos["swin-photos"]["n"] == "20 photographs of val/"


def test_rows_judged_by_fewer_photographs_are_measured_again(monkeypatch, tmp_path, folder):
    monkeypatch.setattr(criteria, "FILE", tmp_path / "criteria.json")
    monkeypatch.setattr(criteria, "CRITERIA", criteria.CRITERIA[:1])
    monkeypatch.setattr(criteria, "WEIGHTS", {"layer": ""})
    monkeypatch.setattr(criteria, "BUDGETS", ())
    for judge, n in ((10, 10), (0, 20), (0, 20)):
        *_, found = criteria.measure("swin-photos", judging.Images(str(folder), judge))
        assert {row["n"] for row in found["rows"]} == {n} and len(found["rows"]) == len(criteria.RATIOS) + 1
        measured.keep(criteria.FILE, found)


def test_a_study_replaces_its_models_row_alone(monkeypatch, kept):
    command(monkeypatch)
    rows = [["`swin-digits`", "1"], ["`deit-digits`", "2"]]
    measured.store("foretold", ["model", "pieces"], rows)
    new = list(studies._with("foretold", ["`swin-textured`", "3"]))
    assert new == [["`swin-textured`", "3"], *rows]
    assert list(studies._with("foretold", ["`deit-digits`", "4"])) == [rows[0], ["`deit-digits`", "4"]]


def test_a_studys_rows_fit_below_those_that_are_kept():
    assert [measured.stored(name).columns for name in ("foretold", "allocated")] == [
        list(studies.TRUTH), list(studies.RATIOS)
    ]  # fmt: skip


def test_a_search_keeps_the_rows_of_other_models(monkeypatch, kept, folder):
    def measure(name, images, steps, macs):
        return {"model": name, "macs": macs, "steps": steps, "n": len(default_data(images.open(name)))}

    searching = searches.Benchmark("swift", "", measure, str, ["swin-digits"], steps=160, macs=0.5)
    monkeypatch.setattr(searches, "ASSETS", kept)
    for words in (["swin-photos"], ["swin-photos", "--photos", folder], ["swin-digits"], ["swin-photos"]):
        command(monkeypatch, *words)
        searching.run(searching.parser().parse_args())
    rows = json.loads((kept / "swift.json").read_text())
    assert [(row["model"], row["n"]) for row in rows] == [("swin-photos", 20), ("swin-digits", 540)]
    assert measured.stored("swift").photos["swin-photos"]["n"] == "20 photographs of val/"


def test_a_checkpoint_of_a_search_is_judged_by_the_photographs_of_its_model(folder):
    opened = judging.Images(str(folder)).open("swin-photos")
    judged = default_data(opened)
    unaware = open_model("swin-photos")
    assert unaware.info.data is None
    same = (searches.last_answers(one, judged).classes.tolist() for one in (opened, unaware))
    assert next(same) == next(same) and searches.epoch(opened) == 1


def test_tables_leave_out_a_model_of_which_nothing_was_measured(monkeypatch, tmp_path):
    monkeypatch.setattr(oneshot, "CURVES", tmp_path)
    assert oneshot.read(judging.PHOTOGRAPHS) == []
    row = next(row for row in comparison.read() if row.model == "swin-digits")
    assert "swin-photos" not in results.methods.tables([row])
