"""Methods: one contract that every row of METHODS keeps, and jobs on disk that go on."""

import dataclasses
import json

import pytest
import typer

from dimap_core.cli import commands
from dimap_core.service import runner
from dimap_core.training.methods.options import AWARE
from dimap_core.training.methods.registry import METHODS, method
from dimap_core.types.errors import InvalidPlan

PHASE = {"epochs": 1.0, "seconds": 60.0, "lr": 0.0003, "weight_decay": 0.05, "batch_size": 100, "distill": "soft"}
STORED = {
    "nvit": {"target": 0.3, "aware": "latency", "cuts": 30, "strength": 0.1, "momentum": 0.9},
    "spvit": {"target": 0.3, "strength": 30.0, "margin": 0.03, "gate_lr": 0.02, "compare": True},
    "apma": {"target": 0.3, "images": 128, "similarity": True, "equal_heads": False, "reweight": True,
             "difference_init": True, "anneal": True},
}  # fmt: skip
"""What jobs hold that were asked for before there was a registry."""


def command(key):
    """The command's options by name."""
    found = typer.main.get_command(commands.app).commands["search"].commands[key]
    return {option.name: option for option in found.params}


def check_row(row):
    """The contract: what the row says fits together, and what is asked for survives a job's request."""
    assert dataclasses.is_dataclass(row.asked) and row.asked.__dataclass_params__.frozen
    assert {"target", "training", "finetuning"} <= {part.name for part in dataclasses.fields(row.asked)}
    assert row.label and row.paper and row.summary.endswith(".") and row.usual_length
    assert set(row.costs) <= set(AWARE) and 0 < row.share <= row.most < 1
    given = {option.key: option.default for option in row.options}
    given |= {"aware": row.costs[-1]} if len(row.costs) > 1 else {}
    given |= {"images": 500} if row.counts_steps else {}
    asked = row.suited("digits", row.share, seconds=60, seed=3, **given)
    assert (asked.target, asked.training.seconds, asked.finetuning.augment) == (row.share, 30, "affine")
    assert asked.training.seed == asked.finetuning.seed == 3
    assert row.search_from(json.loads(json.dumps(dataclasses.asdict(asked)))) == asked


@pytest.mark.parametrize("row", METHODS, ids=lambda row: row.key)
def test_a_row_keeps_the_contract(row):
    check_row(row)
    assert row.differs and method(row.key) is row


@pytest.mark.parametrize("row", METHODS, ids=lambda row: row.key)
def test_a_command_takes_what_the_row_says(row):
    options = command(row.key)
    for option in row.options:
        assert (options[option.key].default, options[option.key].help) == (option.default, option.help)
        pair = options[option.key].secondary_opts
        assert bool(pair) == (option.default is True)
    assert {f"budget_{cost}" for cost in row.costs} == {name for name in options if name.startswith("budget_")}


def test_commands_are_called_as_before():
    flags = {row.key: {flag for option in command(row.key).values() for flag in option.opts if flag.startswith("--")}
             for row in METHODS}  # fmt: skip
    shared = {"--out", "--data", "--budget-macs", "--seconds", "--state", "--seed", "--json"}
    assert flags["nvit"] == shared | {"--budget-latency", "--cuts", "--strength"}
    assert flags["spvit"] == shared | {"--distill", "--compare"}
    assert flags["apma"] == shared | {"--similarity", "--equal-heads", "--reweight", "--difference-init", "--anneal"}


@pytest.mark.parametrize("key", STORED)
def test_a_stored_job_goes_on(key, monkeypatch, tmp_path):
    seen = []
    row = dataclasses.replace(method(key), search=lambda *given: seen.append(given) or iter([{"result": {}}]))
    monkeypatch.setattr(runner, "method", {key: row}.get)
    search = {**STORED[key], "training": PHASE, "finetuning": PHASE}
    request = {"model": "deit-digits", "weights": "pretrained", "images": None, "search": search}
    assert list(runner.work(key, request, tmp_path)) == [{"result": {}}]
    ((opened, asked, out, state),) = seen
    assert opened.info.name == "deit-digits" and (out, state) == (tmp_path / "checkpoint", tmp_path / "state")
    assert asked.training.seconds == 60 and all(getattr(asked, name) == value for name, value in STORED[key].items())


def test_an_unknown_kind_of_job_is_refused_with_the_list(tmp_path):
    with pytest.raises(InvalidPlan, match=r"^There is no method 'nope'; choose one of nvit, spvit, apma\.$"):
        runner.work("nope", {}, tmp_path)


def test_options_are_asked_on_the_page_only_where_they_have_a_label():
    shown = {row.key: [option.key for option in row.options if option.label] for row in METHODS}
    assert shown["nvit"] == [] and shown["spvit"] == ["distill", "compare"] and len(shown["apma"]) == 5
