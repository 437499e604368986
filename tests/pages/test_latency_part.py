"""Latency on the Prune page: zeros are timed too, and what overlaps is not called faster or slower."""

import pytest

from pages.ui.live import latency


def row(dense, pruned):
    timings = (dict(zip(("low", "median", "high"), found, strict=True)) for found in (dense, pruned))
    return {"batch_size": 1, "repeats": 21, "threads": 1, "device": "cpu"} | dict(
        zip(("dense", "pruned"), timings, strict=True)
    )


@pytest.mark.parametrize(
    ("dense", "pruned", "noisy"),
    [
        ((1.0, 1.1, 1.2), (1.1, 1.2, 1.3), True),
        ((1.1, 1.2, 1.3), (1.0, 1.1, 1.2), True),
        ((1.0, 1.1, 1.2), (0.5, 0.6, 0.7), False),
        ((1.0, 1.1, 1.2), (1.3, 1.4, 1.5), False),
    ],
)
def test_only_times_apart_tell_which_is_faster(dense, pruned, noisy):
    assert latency.noisy(row(dense, pruned)) is noisy


def test_zeros_are_timed_and_more_runs_are_offered_where_they_do_not_tell(open_app, monkeypatch):
    monkeypatch.setattr(latency, "REPEATS", (3, 5))
    monkeypatch.setattr(latency, "noisy", lambda row: row["repeats"] < latency.REPEATS[-1])
    app = open_app(model="swin-digits", ratio="0.9").judged()
    assert any("Zeros are multiplied" in text for text in app.texts())
    app.set("batches", [1]).click("Measure")
    app.until(lambda: any("3 alternating runs" in text for text in app.texts()), "the measurement")
    assert app.at.dataframe[-1].value.iloc[0]["speed-up"] == "too noisy to tell"
    app.until(lambda: any(button.label == "Measure more" for button in app.at.button), "the offer")
    app.click("Measure more")
    app.until(lambda: any("5 alternating runs" in text for text in app.texts()), "the measurement")
    assert app.at.dataframe[-1].value.iloc[0]["speed-up"].endswith("×")
    assert not any(button.label == "Measure more" for button in app.at.button)
