"""`reproduce`: figures beside counts, and the one-shot table's mechanics on random weights, stopped and continued."""

import json

import numpy as np
import pytest
from PIL import Image

from dimap_core import pipeline
from dimap_core.cli import reproduce
from dimap_core.measure import accuracy
from dimap_core.models.published import Figure
from dimap_core.pipeline.images import judged_by_name
from dimap_core.studies import dimap_table3, published_counts


def test_counts_say_what_is_printed_what_is_ours_and_why_they_differ(call, monkeypatch):
    monkeypatch.setattr(reproduce, "PUBLICATIONS", ("spvit", "nvit"))
    code, out, _ = call("reproduce", "counts", "--json")
    result = json.loads(out)
    assert code == 0 and result["ok"] and result["checked"] == len(result["rows"]) > 100
    rows = {(row["model"], row["what"]): row for row in result["rows"]}
    row = rows["SPViT-DeiT-B", "MACs, G"]
    assert (row["published"], row["ours"], row["difference"], row["as_printed"], row["ok"]) == (
        8.3,
        8.4,
        0.1,
        False,
        True,
    )
    assert "truncated" in row["remark"] and row["exact"] == 8409142272 and row["paper"] == "arXiv 2111.11802"
    assert result["noted"] == sum(not row["as_printed"] for row in result["rows"]) > 0
    assert {row["model"] for row in result["unchecked"]} == {"NViT-B", "NViT-H", "NViT-S", "NViT-T"}


def test_a_count_that_is_not_met_is_named_and_the_exit_code_says_so(call, monkeypatch):
    monkeypatch.setattr(reproduce, "PUBLICATIONS", ("nvit",))
    wrong = Figure("DeiT-B", "MACs, G", "17.7", "paper", "Table 1")
    monkeypatch.setattr(published_counts, "rows", lambda key: iter([(wrong, 17.56e9)]))
    code, out, _ = call("reproduce", "counts")
    assert code == 2 and "WRONG" in out and "1 are not met" in out


@pytest.fixture
def small(monkeypatch, tmp_path):
    """The table's first model is the small Swin with random weights, judged by a folder of noise in ten classes."""
    monkeypatch.setitem(dimap_table3.MODELS, "swin_tiny", "swin-digits")
    monkeypatch.setattr(dimap_table3, "_EVERY", 1)
    noise = np.random.default_rng(0).integers(0, 256, (60, 32, 32, 3), dtype=np.uint8)
    for number, pixels in enumerate(noise):
        place = tmp_path / "val" / str(number // 6)
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(place / f"{number}.png")
    return tmp_path / "val"


def table(call, folder, *more):
    code, out, err = call(
        "reproduce", "dimap-table3", "--imagenet", folder, "--models", "swin_tiny", "--weights", "random", *more
    )
    assert code == 0
    return out, err


def test_the_table_measures_the_papers_cuts_and_a_second_run_continues(small, call, tmp_path, monkeypatch):
    out, err = table(call, small, "--out", tmp_path / "one.json", "--json")
    result = json.loads(out)
    assert json.loads((tmp_path / "one.json").read_text()) == result
    assert "accuracy means nothing" in result["note"] and "accuracy means nothing" in err
    cells = [(row["method"], round(row["params_removed"], 2), row["published"]) for row in result["rows"]]
    assert cells[:3] == [("dense", 0.0, 81.16), ("uniform", 0.19, 80.7), ("dimap", 0.19, 80.87)]
    assert cells[-1] == ("dimap", 0.5, 71.36) and len(cells) == 9
    for row in result["rows"]:
        assert row["n"] == 60 and row["ci95"][0] <= row["top1"] <= row["ci95"][1]
    # Stopped after 30 images of the dense model, and in the middle of a line.
    whole = (tmp_path / "one.jsonl").read_text().splitlines()
    model, data = judged_by_name(pipeline.open_model("swin-digits", "random"), f"folder:{small}")
    first = next(accuracy.evaluate(model.model, model.info, data, limit=30))[0].top1.correct
    step = {**json.loads(whole[0]), "n": 30, "correct": first}
    (tmp_path / "two.jsonl").write_text(json.dumps(step) + "\n" + whole[1][:40])
    judged = []
    predict = accuracy.predict_to_end
    monkeypatch.setattr(
        dimap_table3, "predict_to_end", lambda *a, start, **k: judged.append(start) or predict(*a, start=start, **k)
    )
    out, _ = table(call, small, "--out", tmp_path / "two.json", "--json")
    assert json.loads(out)["rows"] == result["rows"]
    assert judged == [30] + [0] * 8
    judged.clear()
    out, _ = table(call, small, "--out", tmp_path / "two.json")
    assert judged == [60] * 9 and "81.16" in out


def test_fewer_images_are_a_run_of_their_own_and_more_continue(small, call, tmp_path):
    out = tmp_path / "table.json"
    fewer = json.loads(table(call, small, "--out", out, "--limit", 10, "--json")[0])
    assert {row["n"] for row in fewer["rows"]} == {10}
    more = json.loads(table(call, small, "--out", out, "--json")[0])
    assert {row["n"] for row in more["rows"]} == {60}
    again = json.loads(table(call, small, "--out", out, "--limit", 10, "--json")[0])
    assert again["rows"] == fewer["rows"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--imagenet", "/nowhere"), "is not a folder"),
        (("--imagenet", "{folder}", "--models", "swin_huge"), "Table 3 has no 'swin_huge'"),
        (("--imagenet", "{folder}", "--out", "/proc/none/x.json"), "choose another --out"),
    ],
)
def test_bad_input_is_one_sentence(small, call, arguments, told):
    code, _, err = call("reproduce", "dimap-table3", *(text.format(folder=small) for text in arguments))
    assert code == 2 and told in err and "Traceback" not in err
