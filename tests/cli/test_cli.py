"""The command line's contract: the keys scripts depend on, numbers that add up, and clean exits for bad input."""

import json
import runpy
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import timm
import timm.layers
import torch
from PIL import Image

from dimap_core.cli import console
from dimap_core.data.registry import load_data
from dimap_core.models.bundled import BUNDLED
from dimap_core.training import recipes
from dimap_core.types.errors import UnsupportedModel

ROOT = Path(__file__).parents[2]
SWIN_T = ("swin_tiny_patch4_window7_224", "--weights", "random")


@pytest.fixture
def ask(call):
    """The one JSON object that a command prints with --json."""

    def run(*arguments):
        code, out, _ = call(*arguments, "--json")
        assert code == 0 and out.count("\n") == 1
        return json.loads(out)

    return run


def total(parts, key):
    return sum(part[key] for part in parts)


def test_models_lists_the_bundled_ones_with_size_and_accuracy(ask):
    rows = ask("models")["bundled"]
    assert [row["name"] for row in rows] == [spec.name for spec in BUNDLED]
    assert all(row.keys() == {"name", "family", "data", "params", "macs", "top1", "n"} for row in rows)


@pytest.mark.parametrize("arguments", [("deit-digits",), ("swin-textured",), SWIN_T], ids=lambda a: a[0])
def test_describe_lists_parts_that_sum_to_the_totals(ask, arguments):
    result = ask("describe", *arguments)
    assert result.keys() == {
        "model", "family", "input_size", "input", "notes", "params", "macs", "prunable_params", "stages", "modules",
    }  # fmt: skip
    assert result["notes"] == []
    assert [row["stage"] for row in result["stages"]] == [0, 1, 2, 3, None]
    for key in ("params", "macs"):
        assert total(result["stages"], key) == total(result["modules"].values(), key) == result[key]
        for row in result["stages"]:
            assert total(row["modules"].values(), key) == row[key]
    assert list(result["modules"]) == ["QKV-M", "PRJ-M", "MLP-M", "AUX-M"]
    assert 0 < result["prunable_params"] < result["params"]


def test_describe_knows_swin_ts_published_size(ask):
    result = ask("describe", *SWIN_T)
    assert (result["family"], result["input_size"]) == ("swin", 224)
    assert result["params"] == 28_288_354 and result["macs"] == pytest.approx(4.491e9, rel=1e-3)


def test_describe_tells_what_was_guessed_of_a_file(ask, call, tmp_path):
    sizes = {"embed_dim": 12, "depths": (1, 1), "num_heads": (1, 1), "window_size": 4, "img_size": 32, "num_classes": 3}
    torch.save(timm.create_model(SWIN_T[0], **sizes).state_dict(), tmp_path / "a.pth")
    found = ask("describe", str(tmp_path / "a.pth"))
    (size,) = found["notes"]
    assert size.startswith("Input size guessed: 32 px") and found["input"]["learned"]["mean"].endswith("a guess")
    code, out, _ = call("describe", str(tmp_path / "a.pth"))
    assert code == 0 and size in out.splitlines() and "3 classes without names, 32 px, mean 0.485 0.456 0.406" in out
    said = f"{tmp_path}/a.pth@?img_size=48&mean=0.5&std=0.5"
    result = ask("describe", said)
    assert (result["input_size"], result["notes"], result["input"]["mean"]) == (48, [], [0.5] * 3)
    assert "48 px (as you say), mean and std 0.5 (as you say)" in call("describe", said)[1]


def test_prune_says_what_went_and_the_parts_sum_to_it(ask):
    result = ask("prune", "swin-digits", "--ratio", "0.6", "--scope", "model")
    assert result.keys() >= {
        "plan", "params_before", "params_after", "macs_before", "macs_after", "params_removed", "macs_removed",
        "stages", "modules", "layers", "out",
    }  # fmt: skip
    assert result["plan"] == {
        "version": 1, "model": "swin-digits", "criterion": "dimap", "granularity": "weight", "scope": "model",
        "ratio": 0.6,
    }  # fmt: skip
    for key in ("params_before", "params_after", "macs_before", "macs_after"):
        assert total(result["stages"], key) == total(result["modules"].values(), key) == result[key]
    for what in ("params", "macs"):
        assert result[f"{what}_removed"] == pytest.approx(1 - result[f"{what}_after"] / result[f"{what}_before"])
    assert all(layer.keys() == {"name", "module", "stage", "ratio"} for layer in result["layers"])
    assert len(result["layers"]) == 40 and len({layer["ratio"] for layer in result["layers"]}) > 20
    assert result["out"] is None


def test_prune_cuts_by_dimap_within_modules_unless_told_otherwise(ask):
    result = ask("prune", "deit-digits", "--ratio", "0.5")
    assert (result["plan"]["criterion"], result["plan"]["scope"]) == ("dimap", "module")
    prunable = [part for module, part in result["modules"].items() if module != "AUX-M"]
    assert all(part["ratio"] == pytest.approx(0.5, abs=1e-4) for part in prunable)


def test_prune_takes_stage_ratios_and_budgets(ask):
    arguments = ("--ratio", "0.5", "--stage-ratio", "0=0.1", "--stage-ratio", "3:MLP-M=0.9")
    rows = ask("prune", "swin-digits", *arguments)["stages"]
    assert rows[0]["ratio"] == pytest.approx(0.1, abs=1e-3)
    assert rows[3]["modules"]["MLP-M"]["ratio"] == pytest.approx(0.9, abs=1e-3)
    assert ask("prune", "swin-digits", "--budget-macs", "0.4")["macs_removed"] == pytest.approx(0.4, abs=1e-5)
    assert ask("prune", "swin-digits", "--budget-params", "0.7")["params_removed"] == pytest.approx(0.7, abs=1e-5)


def test_a_seed_changes_a_random_cut_and_nothing_else_does(ask):
    arguments = ("prune", "swin-digits", "--criterion", "random", "--scope", "model", "--ratio", "0.5")
    first, again, other = (ask(*arguments, "--seed", seed) for seed in (3, 3, 4))
    assert first == again and first["plan"]["seed"] == 3
    assert first["layers"] != other["layers"]


def test_a_criterion_that_reads_images_reads_as_many_as_it_is_told(ask, call):
    options = ("--criterion", "taylor", "--granularity", "structure", "--ratio", "0.3")
    few = ask("prune", "swin-digits", *options, "--images", "16")
    assert few["plan"]["images"] == 16 and few["macs_removed"] > 0.1
    code, _, error = call("prune", "swin-digits", *options, "--images", "0")
    assert code == 2 and error == "The training images to read must be from 1 to 100,000, not 0.\n"
    code, _, error = call("prune", *SWIN_T, *options)
    assert code == 2 and error.startswith("No training images are known for") and error.count("\n") == 1


def test_a_printed_plan_is_a_recipe_that_gives_the_same_cut(ask, tmp_path):
    first = ask("prune", "swin-digits", "--budget-macs", "0.5", "--stage-ratio", "1=0.2", "--cost-exponent", "0.5")
    (tmp_path / "recipe.json").write_text(json.dumps(first["plan"]), encoding="utf-8")
    assert ask("prune", "swin-digits", "--recipe", tmp_path / "recipe.json") == first


def test_a_saved_model_is_judged_as_it_was_when_it_was_cut(ask, tmp_path):
    cut = ask("prune", "swin-digits", "--ratio", "0.85", "--data", "digits", "--out", tmp_path / "cut")
    assert cut["out"] == str(tmp_path / "cut")
    judged = ask("evaluate", tmp_path / "cut", "--data", "digits")
    assert judged.keys() >= {"n", "top1", "top5", "ci95", "params", "macs", "seconds"}
    assert (judged["n"], judged["top1"], judged["top5"]) == (540, cut["accuracy"]["top1"], cut["accuracy"]["top5"])
    assert (judged["params"], judged["macs"]) == (cut["params_before"], cut["macs_before"])
    assert (judged["params_nonzero"], judged["macs_nonzero"]) == (cut["params_after"], cut["macs_after"])
    assert judged["ci95"][0] < judged["top1"] < judged["ci95"][1] and 0.5 < judged["top1"] < 1
    described = ask("describe", tmp_path / "cut")
    assert described["params"] == cut["params_before"]


def test_evaluate_takes_a_first_part_of_the_images(ask):
    result = ask("evaluate", "deit-digits", "--limit", "100")
    assert result["n"] == 100 and result["top1"] > 0.9 and result["seconds"] > 0
    assert result["params"] == 906_922


def test_images_of_a_folder_judge_and_are_read_by_criteria(ask, call, tmp_path):
    data = load_data("digits")
    for number in range(80):
        place = tmp_path / str(data.labels[number])
        place.mkdir(exist_ok=True)
        Image.fromarray(data.images[number].transpose(1, 2, 0)).save(place / f"{number}.png")
    options = ("swin-digits", "--data", f"folder:{tmp_path}")
    code, out, err = call("evaluate", *options, "--json")
    assert (code, json.loads(out)["n"]) == (0, 80) and err.startswith("Judged on 80 images.")
    cut = ask("prune", *options, "--criterion", "taylor", "--images", "16", "--limit", "40", "--ratio", "0.5")
    assert cut["accuracy"]["n"] == 40 and cut["accuracy"]["top1"] > 0.9
    grid = ("--criteria", "dimap", "--scopes", "layer", "--ratios", "0.3")
    rows = ask("sweep", *options, "--limit", "30", *grid)["rows"]
    assert [row["n"] for row in rows] == [30]


def test_folders_in_another_order_are_told_with_the_names_that_put_them_right(call, tmp_path):
    data, names = load_data("digits"), "bcdefghija"  # digit 9 comes first
    for number in range(80):
        place = tmp_path / names[data.labels[number]]
        place.mkdir(exist_ok=True)
        Image.fromarray(data.images[number].transpose(1, 2, 0)).save(place / f"{number}.png")
    for command in (("evaluate",), ("prune", "--ratio", "0.1"), ("sweep", "--ratios", "0.1", "--scopes", "layer")):
        code, out, err = call(command[0], "swin-digits", *command[1:], "--data", f"folder:{tmp_path}", "--json")
        assert code == 0 and json.loads(out) and "Another order of the classes fits the model's answers" in err
        said, _, rows = err.partition("To use it, give a file with these rows by --classes:\n")
        assert said and rows.split() == [f"{name},{names.index(name)}" for name in sorted(names)]
    (tmp_path / "classes.csv").write_text(f"folder,output\n{rows}")
    code, out, err = call(
        "evaluate", "swin-digits", "--data", f"folder:{tmp_path}", "--classes", tmp_path / "classes.csv"
    )
    assert code == 0 and out.startswith("top-1 100.0%") and "10 set by hand" in err and "Another order" not in err


def test_classes_and_splits_are_said_on_the_command_line(call, tmp_path):
    data = load_data("digits")
    for number in range(60):
        place = tmp_path / "set" / ("val", "test")[number % 2] / f"class {data.labels[number]}"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(data.images[number].transpose(1, 2, 0)).save(place / f"{number}.png")
    (tmp_path / "names.txt").write_text("\n".join(f"Class {digit}" for digit in range(10)) + "\n")
    asked = ("evaluate", "swin-digits", "--data", f"folder:{tmp_path / 'set'}", "--classes", tmp_path / "names.txt")
    code, out, err = call(*asked, "--split", "test")
    assert (
        code == 0
        and "n = 30)" in out
        and "images of test/ (val/ is there too)" in err
        and "own names of classes" in err
    )
    for more, told in (
        (("--split", "fold"), "has no split 'fold'; choose one of val, test."),
        (("--classes", tmp_path / "gone"), "cannot be read (FileNotFoundError); write one class name a line"),
        (("--classes", tmp_path / "set"), "cannot be read (IsADirectoryError); write one class name a line"),
        (("--classes", tmp_path / "one"), "--classes has 1 lines, the model 10 outputs; write one class name a line"),
        (("--classes", tmp_path / "bad"), "has the row 'a,x', which is no folder and output; write one"),
    ):
        (tmp_path / "one").write_text("a\n")
        (tmp_path / "bad").write_text("folder,output\nb,1\na,x\n")
        code, out, err = call(*asked, *more)
        assert code == 2 and told in err, err
    code, _, err = call("prune", "swin-digits", "--ratio", "0.1", "--split", "val")
    assert (
        code == 2 and "--split and --classes speak of images that are chosen; name them by --data folder:PATH." in err
    )


def test_sweep_has_a_row_a_plan_on_stdout_and_in_the_file(ask, tmp_path):
    grid = ("--criteria", "dimap,magnitude", "--scopes", "layer,model", "--ratios", "0.3,0.9999", "--limit", "60")
    rows = ask("sweep", "swin-digits", "--data", "digits", *grid, "--out", tmp_path / "rows.csv")["rows"]
    assert len(rows) == 8
    measured = [row for row in rows if "error" not in row]
    assert 4 <= len(measured) < 8 and all("empties" in row["error"] for row in rows if "error" in row)
    assert all(
        row.keys()
        >= {
            "criterion", "scope", "granularity", "ratio", "seed", "n", "top1", "top5", "ci95", "params", "macs",
            "params_removed", "macs_removed",
        }
        for row in measured
    )  # fmt: skip
    lines = (tmp_path / "rows.csv").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 9 and lines[0].startswith("criterion,scope,granularity")


def test_train_saves_a_checkpoint_and_says_how_good_it_is(ask, tmp_path, monkeypatch):
    monkeypatch.setitem(recipes.RECIPES, "swin-digits", (replace(recipes.RECIPES["swin-digits"][0], epochs=1),))
    fused = timm.layers.use_fused_attn()
    try:
        card = ask("train", "swin-digits", "--out", tmp_path)
    finally:
        timm.layers.set_fused_attn(fused)
    assert (tmp_path / "swin-digits.safetensors").stat().st_size < 5e6
    assert card["n"] == 540 and 0 < card["top1"] < 0.9 and card["out"] == str(tmp_path)
    assert json.loads((tmp_path / "swin-digits.json").read_text(encoding="utf-8"))["top1"] == card["top1"]


@pytest.mark.parametrize("arguments", [("models",), ("describe", "swin-digits"), ("prune", "swin-digits")])
def test_without_json_a_table_is_printed(call, arguments):
    code, out, err = call(*arguments)
    assert (code, err) == (0, "") and len(out.splitlines()) >= 5
    with pytest.raises(ValueError, match="Expecting value"):
        json.loads(out)


@pytest.mark.parametrize(
    "arguments",
    [
        "models extra", "describe", "describe nothing-like-it", "describe resnet50", "describe convnext_tiny",
        "describe swin-digits --weights heavy", "describe swin-digits --bogus", "bogus", "prune",
        "prune swin-digits --criterion bogus", "prune swin-digits --scope bogus",
        "prune swin-digits --granularity channel", "prune swin-digits --ratio 1", "prune swin-digits --ratio -1",
        "prune swin-digits --ratio x", "prune swin-digits --ratio nan", "prune swin-digits --seed -1",
        "prune swin-digits --ratio 0.5 --budget-macs 0.5", "prune swin-digits --budget-macs 0.5 --budget-params 0.5",
        "prune swin-digits --budget-macs 0.99", "prune swin-digits --stage-ratio 0",
        "prune swin-digits --stage-ratio 9=0.5", "prune swin-digits --stage-ratio 0:HEAD=0.5",
        "prune swin-digits --cost-exponent 3", "prune swin-digits --ratio 0.9999 --scope layer",
        "prune swin-digits --data nothing", "prune swin-digits --data textured-digits",
        "evaluate swin-digits --limit 0",
        "evaluate swin-digits --data nothing", "evaluate swin-digits --data folder:{tmp}/none", "fetch nothing",
        "prune swin-digits --data zip:{tmp}/file", "sweep swin-digits --data cifar10",
        "evaluate swin-digits --weights random", "evaluate {tmp}",
        "evaluate deit_tiny_patch16_224 --weights random", "sweep swin-digits --criteria bogus",
        "sweep swin-digits --scopes bogus", "sweep swin-digits --ratios 1", "sweep swin-digits --ratios x",
        "sweep swin-digits --ratios , --limit 60", "sweep swin-digits --granularity bogus", "train", "train bogus",
        "prune swin-digits --out {tmp}/file/below", "prune swin-digits --out {tmp}/file",
        "prune swin-digits --out {tmp}/taken",
        "sweep swin-digits --criteria dimap --scopes layer --ratios 0.5 --limit 60 --out {tmp}/file/rows.csv",
        "prune swin-digits --recipe {tmp}/missing.json", "prune swin-digits --recipe {tmp}",
        "prune swin-digits --recipe {tmp}/malformed.json", "prune swin-digits --recipe {tmp}/unknown.json",
        "prune swin-digits --recipe {tmp}/other.json", "prune swin-digits --recipe {tmp}/good.json --ratio 0.5",
    ],
)  # fmt: skip
def test_bad_input_is_one_line_on_stderr_and_exit_code_2(call, tmp_path, arguments):
    (tmp_path / "file").write_text("")
    (tmp_path / "taken" / "model.safetensors").mkdir(parents=True)
    (tmp_path / "malformed.json").write_text("{")
    for name, recipe in (
        ("unknown", {"version": 1, "colour": "blue"}),
        ("other", {"version": 1, "model": "deit-digits"}),
        ("good", {"version": 1, "ratio": 0.5}),
    ):
        (tmp_path / f"{name}.json").write_text(json.dumps(recipe))
    code, out, err = call(*arguments.format(tmp=tmp_path).split(), "--json")
    assert (code, out) == (2, "")
    (line,) = err.splitlines()
    assert len(line) > 15 and "None" not in line


def test_the_module_runs_as_a_program(monkeypatch, capsys):
    """What was refused, in a fresh process, to which no library may add a word; what went well, in this one."""
    command = [sys.executable, "-m", "dimap_core", "describe", "resnet50"]
    failed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (failed.returncode, failed.stdout) == (2, "")
    assert len(failed.stderr.splitlines()) == 1
    monkeypatch.setattr(sys, "argv", ["dimap_core", "models", "--json"])
    with pytest.raises(SystemExit) as leaving:
        runpy.run_module("dimap_core", run_name="__main__")
    assert not leaving.value.code and len(json.loads(capsys.readouterr().out)["bundled"]) == len(BUNDLED)


def test_a_formula_is_a_criterion_of_the_command_line(ask, call, tmp_path):
    formula = "formula:max(w, 0.001) / layer_mean"
    grid = ("--criteria", f"{formula},magnitude", "--scopes", "module", "--ratios", "0.3", "--limit", "30")
    rows = ask("sweep", "swin-digits", "--data", "digits", *grid)["rows"]
    assert [row["criterion"] for row in rows] == [formula, "magnitude"] and all(row["n"] == 30 for row in rows)
    cut = ask("prune", "swin-digits", "--criterion", formula, "--ratio", "0.5", "--out", tmp_path / "cut")
    assert cut["plan"]["criterion"] == formula
    assert ask("evaluate", tmp_path / "cut", "--data", "digits", "--limit", "30")["n"] == 30
    code, out, err = call("prune", "swin-digits", "--criterion", "formula:w / layer_men")
    assert (code, out) == (2, "") and err.strip().endswith("did you mean layer_mean?")


def test_a_download_is_told_every_few_seconds_and_what_is_on_disk_asks_for_none(call, monkeypatch, tmp_path):
    asked = []

    def fetch(name, weights):
        asked.append((name, weights))
        for done in (0, 45_000_000, 113_000_000):
            yield {"doing": "Downloading pretrained weights", "done": done, "total": 113_000_000, "left": done and 4.0}
            yield {}
        raise UnsupportedModel("whoever opens it says why")

    monkeypatch.setattr(console, "fetch_weights", fetch)
    monkeypatch.setattr(console, "_TELL", 0.0)
    code, _, err = call("describe", "swin-digits")
    assert code == 0 and asked == [("swin-digits", "pretrained")]
    assert "Downloading pretrained weights, 45 of 113 MB, about 4 s left\n" in err
    folder = tmp_path / "smaller"
    assert call("prune", "swin-digits", "--ratio", "0.5", "--out", folder)[0] == 0
    asked.clear()
    assert call("describe", folder)[0] == 0 and not asked
