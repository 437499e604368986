"""README and RESULTS.md show what was measured, not what was remembered; commands, settings and links are there."""

import dataclasses
import json
import re
import shlex
import tomllib
from pathlib import Path

import pytest
import typer
from streamlit import config

from benchmarks import bars, criteria, find, judging, measured, results
from dimap_core.cli import commands
from dimap_core.criteria.registry import CRITERIA
from dimap_core.training import comparison

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "benchmarks/README.md", "benchmarks/RESULTS.md")
NAMES = [name for names in results.CHAPTERS.values() for name in names]
CODE = [path for folder in ("dimap_core", "pages") for path in sorted((ROOT / folder).rglob("*.py"))]


def shell(text):
    """The lines of the code blocks for a shell, without comments."""
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    return [shlex.split(line, comments=True) for line in "".join(blocks).splitlines()]


def test_the_readme_can_be_read():
    assert len(README.splitlines()) <= 160


@pytest.mark.parametrize(("path", "wanted"), [(results.DOCUMENT, results.document), (results.README, None)])
def test_what_is_written_is_what_is_stored(path, wanted):
    text = path.read_text(encoding="utf-8")
    assert text == (wanted() if wanted else results.readme(text)), "run python -m benchmarks.results"


def test_the_readmes_one_table_of_results_is_written_from_measured_rows():
    parts = re.split(r"<!-- measured: \w+ -->.*?<!-- end -->", README, flags=re.DOTALL)
    assert len(parts) == 1 + len(results.BLOCKS)
    assert "±" in README
    assert not [line for part in parts for line in part.splitlines() if line.startswith("|") and "±" in line]


def test_every_criterion_and_every_method_was_measured():
    assert {row["criterion"] for found in criteria.read() for row in found["rows"]} == {info.key for info in CRITERIA}
    wanted, found = set(comparison.wanted()), {row.key for row in comparison.read()}
    assert {place for place in wanted if not judging.of_photographs(place[0])} <= found <= wanted


def test_everything_that_is_stored_stands_in_a_chapter():
    assert sorted(NAMES) == sorted(path.stem for path in measured.RESULTS.glob("*.json"))


@pytest.mark.parametrize("name", NAMES)
def test_a_stored_result_says_how_it_was_measured_and_reads_its_own_rows(name):
    result = measured.stored(name)
    assert all((result.title, result.command, result.date, result.machine, result.load, result.n, result.interval))
    assert all(len(cells) == len(result.columns) for cells in result.rows)
    for model, run in result.photos.items():
        assert judging.of_photographs(model) and all(text for key, text in run.items() if key != "reading")
    unread = {model: {**run, "reading": ""} for model, run in result.photos.items()}
    shown = results._section(name, dataclasses.replace(result, reading="", photos=unread))
    read = " ".join([result.reading, *(run["reading"] for run in result.photos.values())])
    assert [figure for figure in re.findall(r"\d+\.\d", read) if figure not in shown] == []


def test_no_stored_command_tells_where_photographs_lie():
    commands = [measured.stored(name) for name in NAMES]
    lines = [
        line for result in commands for line in (result.command, *(run["command"] for run in result.photos.values()))
    ]
    assert [line for line in lines if re.search(r"--photos(?!.FOLDER\b)", line)] == []


def test_storing_keeps_what_it_is_and_drops_what_was_read_from_older_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(measured, "RESULTS", tmp_path)
    monkeypatch.setattr("sys.argv", ["/somewhere/benchmarks/speed.py", "--repeats", "3"])
    old = measured.Result("Speed", "an older command", "1999-12-31", "", "", "3 runs", "none", "by turns", "Fast.")
    (tmp_path / "speed.json").write_text(json.dumps(dataclasses.asdict(old)), encoding="utf-8")
    measured.store("speed", ["model", "ms"], [["a", 3]])
    new = measured.stored("speed")
    assert (new.title, new.n, new.interval, new.note) == (old.title, old.n, old.interval, old.note)
    assert new.command == "python -m benchmarks.speed --repeats 3"
    assert new.date > old.date
    assert (new.reading, new.columns, new.rows) == ("", ["model", "ms"], [["a", "3"]])


def test_a_bar_is_met_by_the_median_of_three_seeds_at_the_budget():
    def row(cut, removed, seed, found, off="0.02"):
        return ["swin-textured", cut, removed, seed, f"{found} (0.0 to 100.0)", "90.0 (0.0 to 100.0)",
                "+1.3 [-0.4, +2.3]", "-0.5 [-1.2, +0.2]", off, "", "", "1"]  # fmt: skip

    zeros = [("90 % of weights", 97.1), ("95 % of weights", 95.9), ("85 % of MACs", 96.0)]
    rows = [row("weight", removed, str(seed), top1 - seed % 2) for removed, top1 in zeros for seed in range(3)]
    rows += [row("structure", "80 % of MACs", str(seed), 99.0, "0.11") for seed in range(3)]
    rows += [row("structure", "85 % of MACs", "0", 99.0)]
    told = bars.told(measured.Result("", "", "", "", "", "", "", columns=find.COLUMNS, rows=rows))
    lines = [line.strip("| ").split(" | ") for line in told.splitlines() if line.startswith("| swin")]
    verdicts = {(cells[1], cells[2]): cells[-1] for cells in lines}
    assert verdicts["weight", "90 % of weights"] == "met" and verdicts["weight", "95 % of weights"] == "missed"
    assert verdicts["structure", "80 % of MACs"] == "missed", "too far from its budget"
    assert verdicts["structure", "85 % of MACs"] == "not measured", "one seed is no median"
    assert "0 of 13 rows" in told and "above it beyond chance: 0 of 13" in told


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_link_leads_somewhere(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)]*)\)", text) if not link.startswith("http")]
    anchors = {f"#{results._anchor(title)}" for title in re.findall(r"^#+ (.*)", text, re.MULTILINE)}
    files = [link for link in links if not link.startswith("#")]
    assert [link for link in files if not (ROOT / name).parent.joinpath(link).exists()] == []
    assert [link for link in links if link.startswith("#") and link not in anchors] == []


def test_the_makefile_has_the_targets_and_variables_that_are_named():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    asked = [word for words in shell(README) if words[:1] == ["make"] for word in words[1:]]
    assert {"run", "test"} <= set(asked)
    for word in asked:
        name, given, _ = word.partition("=")
        assert re.search(rf"^{name} [?:]=" if given else rf"^{name}:", makefile, re.MULTILINE), word


def test_the_command_line_takes_every_command_that_is_shown():
    lines = [words[words.index("dimap_core") + 1 :] for words in shell(README) if "dimap_core" in words]
    assert len(lines) > 8
    for words in lines:
        command = typer.main.get_command(commands.app)
        while hasattr(command, "commands"):
            command, words = command.commands[words[0]], words[1:]
        command.make_context(command.name, list(words))


def test_every_benchmark_that_is_named_exists():
    text = "".join((ROOT / name).read_text(encoding="utf-8") for name in DOCUMENTS)
    named = set(re.findall(r"python -m benchmarks\.(\w+)", text))
    assert named
    assert [name for name in named if not (ROOT / "benchmarks" / f"{name}.py").exists()] == []


def test_the_settings_are_those_that_the_code_reads():
    rows = dict(re.findall(r"^\| `([A-Z_]+)` \|.*\| (.*) \|$", README, re.MULTILINE))
    code = "".join(path.read_text(encoding="utf-8") for path in CODE)
    assert {name for name in rows if name.startswith("DIMAP_")} == set(re.findall(r"\bDIMAP_[A-Z_]+\b", code))
    for name, default in re.findall(r'environ\.get\("(\w+)", "(\d+)"\)', code):
        assert rows[name] == default
    allowed = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))["server"]["allowedHosts"]
    assert rows[config.get_config_options()["server.allowedHosts"].env_var] == f"`{' '.join(allowed)}`"
