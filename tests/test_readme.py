"""The README shows what was measured, not what was remembered."""

import json
import re
from pathlib import Path

import pytest

from benchmarks import apma, criteria, methods, nvit, spvit, structured
from benchmarks.oneshot import read, summary, tables
from dimap_core import comparison
from dimap_core.bundled import ASSETS, BUNDLED, bundled_card
from dimap_core.criteria import CRITERIA

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_tables_are_those_of_the_measured_rows():
    measured = read(spec.name for spec in BUNDLED)
    assert summary(measured) in README
    assert tables(measured).strip() in README


@pytest.mark.parametrize("spec", BUNDLED, ids=lambda spec: spec.name)
def test_the_models_row_is_that_of_its_card(spec):
    card = bundled_card(spec)
    low, high = card["ci95"]
    accuracy = f"{100 * card['top1']:.1f} % ({100 * low:.1f} to {100 * high:.1f}, n = {card['n']:,})"
    assert f"| `{spec.name}` | {spec.data} | {accuracy}" in README


def test_structured_tables_are_those_of_the_measured_rows():
    assert structured.summary(structured.read()) in README
    assert structured.tables(structured.read()).strip() in README


def test_the_criteria_table_is_that_of_the_measured_rows():
    assert criteria.tables(criteria.read()) in README
    assert {row["criterion"] for found in criteria.read() for row in found["rows"]} == {info.key for info in CRITERIA}


@pytest.mark.parametrize("search", [nvit, spvit, apma])
def test_a_searchs_table_is_that_of_the_measured_rows(search):
    file = ASSETS / f"{search.__name__.rpartition('.')[2]}.json"
    assert search.table(json.loads(file.read_text(encoding="utf-8"))) in README


def test_the_methods_tables_are_those_of_the_measured_rows():
    measured = comparison.read()
    assert methods.tables(measured).strip() in README
    assert {row.key for row in measured} == set(comparison.wanted())


def test_every_file_that_is_linked_exists():
    links = re.findall(r"\]\(([^)#][^)]*)\)", README)
    assert links
    assert [link for link in links if not link.startswith("http") and not (ROOT / link).exists()] == []


def test_the_two_commands_are_targets_of_the_makefile():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^make (\w+)", README, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
