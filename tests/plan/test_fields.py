"""The table of a plan's fields: recipes and links are what they were when people kept them, and say all of a plan."""

import json
from dataclasses import fields, replace
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given, settings

from dimap_core.plan.fields import FIELDS
from dimap_core.plan.recipe import LINK_BEGINS, LINK_KEYS, from_link, from_recipe, to_link, to_recipe
from dimap_core.types.errors import InvalidPlan
from dimap_core.types.plan import PruningPlan
from tests.plan.test_plan import assert_refused, plans

LINES = (Path(__file__).parent / "plans.txt").read_text("utf-8").splitlines()
WRITTEN = list(zip(LINES[::2], LINES[1::2], strict=True))
"""(recipe, link) of every kind of plan, as they were written before there was a table."""


def text_of(link):
    return urlencode(link, safe=":")


@pytest.mark.parametrize(("recipe", "link"), WRITTEN)
def test_recipes_and_links_are_what_they_were_letter_by_letter(recipe, link):
    plan = from_recipe(recipe)
    assert json.dumps(to_recipe(plan)) == recipe
    assert text_of(to_link(plan)) == link
    params = dict(parse_qsl(link))
    if "latency" in params:
        return  # it is measured on a device, and no link is read
    assert text_of(to_link(from_link(params))) == link
    assert from_link(params) == plan or "budget" in recipe or rounded(from_link(params)) == rounded(plan)


def rounded(plan):
    """Its shares to the six digits that a link has."""
    overrides = tuple((cell, float(f"{ratio:g}")) for cell, ratio in plan.overrides)
    return replace(plan, ratio=float(f"{plan.ratio:g}"), overrides=overrides)


def test_the_written_plans_use_every_key():
    assert {key for recipe, _ in WRITTEN for key in json.loads(recipe)} == {"version", *(row.key for row in FIELDS)}
    assert {key for _, link in WRITTEN for key in dict(parse_qsl(link))} == {*LINK_KEYS, "latency"}


def test_every_field_of_a_plan_has_its_row():
    """What a plan says elsewhere: `overrides` by stages and kinds, `budget_kind` by the budget."""
    told = {field.name for field in fields(PruningPlan)} - {"overrides", "budget_kind"}
    assert {row.key for row in FIELDS} == told | {"stages", "kinds"}
    assert len(LINK_KEYS) == sum(len(row.links) for row in FIELDS)


@settings(max_examples=60)
@given(plans())
def test_whatever_a_plan_is_its_link_leads_back_to_the_same_link(plan):
    link = to_link(plan)
    assert tuple(link)[: len(LINK_BEGINS)] == LINK_BEGINS and all(isinstance(text, str) for text in link.values())
    if plan.budget_kind == "latency" or "~" in "".join(plan.protected) or "" in plan.protected:
        return  # neither a device's time nor names that no layer has
    try:
        found = from_link(link)
    except InvalidPlan as error:  # 0.9999999 is 1 in six digits
        assert "below 1" in str(error)
    else:
        assert to_link(found) == link


def test_numbers_of_links_are_whole_where_they_must_be():
    assert from_link({"ratio": "0.5", "seed": "3.0"}).seed == 3
    assert isinstance(from_link({"seed": "3.0"}).seed, int)
    assert_refused(lambda: from_link({"seed": "1.5"}), "whole number", "1.5")
    assert_refused(lambda: from_link({"pay": "much"}), "Its pay 'much' is not a number")
    assert_refused(lambda: from_link({"stages": "0_x"}), "Its stages 'x' is not a number")
