"""Comparison of methods: rows there and back, what is missing, who leads, the table and the figure."""

from dataclasses import replace

import pytest

from benchmarks.methods import FOUND, PLANS, SEARCHES, tables
from dimap_core.figures.comparison import Entry, comparison as drawn
from dimap_core.figures.look import Look
from dimap_core.models.bundled import BUNDLED
from dimap_core.training import comparison
from dimap_core.training.methods.comparison import WAYS, Measurement, highest, missing, read, write

ROW = Measurement(
    "swin-digits", "dimap-tuned", 0.5, 540, (0.99, 0.98, 0.995), (0.9, 0.87, 0.92), (0.98, 0.965, 0.99), 750_000,
    9_700_000, 0.5, 0.503, 0.31, 16, 208, 12.3,
)  # fmt: skip
ONE_SHOT = replace(ROW, method="dimap", before=(0.9, 0.87, 0.92), after=None, steps=0)


def test_rows_come_back_in_the_tables_order_without_those_nobody_asks_for(tmp_path):
    file = tmp_path / "methods.json"
    assert read(file) == []
    write([ROW, replace(ROW, budget=0.9), ONE_SHOT, replace(ONE_SHOT, model=BUNDLED[0].name)], file)
    assert [row.key for row in read(file)] == [
        (BUNDLED[0].name, "dimap", 0.5), ("swin-digits", "dimap", 0.5), ("swin-digits", "dimap-tuned", 0.5)
    ]  # fmt: skip
    assert read(file)[-1] == ROW and read(file)[0].after is None
    assert len(file.read_text().splitlines()) == 6


def test_what_is_missing_is_named_by_its_label():
    absent = missing([ROW, ONE_SHOT], "swin-digits", 0.5)
    assert len(absent) == len(WAYS) - 2 and "NViT" in absent and "DIMAP structures" not in absent
    assert len(missing([ROW, ONE_SHOT], "swin-digits", 0.35)) == len(WAYS)
    assert len(missing([], "swin-flatten", 0.5)) == len(WAYS) - 1  # no SPViT on linear attention


def test_the_highest_is_told_by_accuracy_in_the_end():
    best, close, far = (
        replace(ROW, method=key, after=after)
        for key, after in (("nvit", (0.98, 0.97, 0.99)), ("spvit", (0.96, 0.94, 0.97)), ("apma", (0.9, 0.88, 0.92)))
    )
    assert highest([far, close, best]) == best
    assert highest([]) is None
    assert highest([ONE_SHOT]).top1 == ONE_SHOT.before


def test_the_tables_have_a_line_a_method_and_a_column_a_model():
    other = replace(ONE_SHOT, model=BUNDLED[0].name)
    mild, half = (part.splitlines() for part in tables([ROW, ONE_SHOT, replace(ROW, budget=0.35), other]).split("\n\n"))
    assert half[0] == (
        "| 50 % of MACs removed | `swin-textured`, dense 99.0 ±0.8, n = 540 | `swin-digits`, dense 99.0 ±0.8, n = 540 |"
    )
    assert half[1] == "| ---|---|--- |"
    assert [line.split(" | ")[0] for line in half[2:]] == ["| DIMAP structures", "| DIMAP + repair + fine-tuning"]
    assert half[2].endswith("| 90.0 ±2.5, −31 % time | 90.0 ±2.5, −31 % time |")
    assert half[3].endswith("| – | 90.0 ±2.5 > 98.0 ±1.3, −31 % time, 12 CPU s |")
    assert len(mild) == 3 and "swin-textured" not in mild[0]


def test_every_way_of_the_benchmark_is_a_row_of_the_page():
    assert {*PLANS, FOUND, *SEARCHES} == {found.key for found in WAYS}
    assert comparison.way("apma").label == "APMA-style (after Lee & Hwang)"


@pytest.mark.parametrize("dark", [False, True])
def test_the_figure_shows_every_row_with_its_interval_and_the_dense_model(dark):
    entries = [
        Entry("NViT", "−50 % MACs", ROW.top1, ROW.before, 0.5),
        Entry("DIMAP", "−35 % MACs", ONE_SHOT.top1, None, 0.35),
        Entry("Yours: a job", "−40 % MACs", ROW.top1, ROW.before),
    ]
    figure = drawn(entries, ROW.dense, Look(dark))
    points = [trace for trace in figure.data if trace.mode == "markers"]
    assert [round(trace.x[0], 6) for trace in points] == [90, 98, 90, 90, 98]
    assert [trace.marker.symbol for trace in points] == [
        "square-open", "square", "circle", "diamond-open", "diamond"
    ]  # fmt: skip
    assert points[1].error_x.array[0] == pytest.approx(1.0) and points[1].error_x.arrayminus[0] == pytest.approx(1.5)
    headings = [note.text for note in figure.layout.annotations]
    assert headings[0].startswith("<b>NViT</b>") and "dense 99.0" in headings
    low, high = figure.layout.xaxis.range
    assert low < 87 and high > 99.5
