"""Find: what chooses never judges, budgets are met, looks are counted, and what is told is what was done."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import t

from dimap_core import pipeline
from dimap_core.data.batches import balanced_subset, held_apart, unlabelled_subset
from dimap_core.data.registry import load_data
from dimap_core.measure.accuracy import masked
from dimap_core.measure.divergence import divergence, log_answers
from dimap_core.measure.intervals import paired_difference
from dimap_core.pipeline import images as of_images
from dimap_core.plan.recipe import from_recipe
from dimap_core.studies.find import bench as benches, candidates as rows, finding
from dimap_core.studies.find.looks import count_look
from dimap_core.studies.find.search import fewer_heads, neighbours, possible
from dimap_core.studies.find.wanted import Wanted
from dimap_core.types.errors import DataError, InvalidPlan, PruningError
from dimap_core.types.plan import PruningPlan
from tests.helpers import FLIPS, assert_refused, same

FEW = (
    rows.Candidate("fisher", "model", 1.0, rule=False),
    rows.Candidate("magnitude", "module"),
    rows.Candidate("magnitude", "layer"),
)

BUDGETS = (0.3, 0.5)


@pytest.fixture
def quick(monkeypatch, tmp_path):
    """Three candidates, two budgets, few images, and a data folder of its own."""
    monkeypatch.setenv("DIMAP_HOME", str(tmp_path))
    monkeypatch.setattr(finding, "candidates", lambda granularity: FEW)
    monkeypatch.setattr(finding, "FRONT_IMAGES", 32)
    monkeypatch.setattr(finding, "bench", lambda opened, images, seed: benches.bench(opened, images, seed, 64))


def found(opened, wanted, out=None):
    *events, last = finding.find(opened, wanted, out, BUDGETS)
    return events, last["result"]


@pytest.mark.parametrize("seed", [0, 3])
def test_images_that_choose_were_read_by_nothing(tiny, seed):
    data = load_data("digits", "train")
    chosen = held_apart(data.labels, 256, 400, seed)
    read = {*balanced_subset(data.labels, 256, seed), *unlabelled_subset(tiny.info, data, 256, seed)}
    assert len(chosen) == len({*chosen}) == 400 and not read & {*chosen}
    counts = np.bincount(data.labels[chosen])
    assert counts.max() - counts.min() <= 1
    assert len(held_apart(data.labels, len(data), 400, seed)) == 0


def test_a_home_that_cannot_be_written_is_told_before_anything_is_tried(tiny, quick, tmp_path, monkeypatch):
    (tmp_path / "taken").touch()
    monkeypatch.setenv("DIMAP_HOME", str(tmp_path / "taken" / "home"))
    assert_refused(PruningError, lambda: next(finding.find(tiny, Wanted(budget=0.5))), "taken", "DIMAP_HOME")


def test_too_few_images_are_refused_and_few_are_said_to_be_a_risk(tiny):
    data = load_data("digits", "train")
    assert_refused(DataError, lambda: benches.bench(tiny, len(data), 0), "give more")
    assert "64 images" in benches.bench(tiny, 64, 0, 64).risk and not benches.bench(tiny, 64, 0, 300).risk


@pytest.mark.parametrize("granularity", ["structure", "weight"])
def test_validation_images_are_not_touched_before_the_answer(quick, tiny, monkeypatch, granularity):
    loaded = []

    def watched(name, split="val"):
        loaded.append(split)
        return load_data(name, split)

    monkeypatch.setattr(of_images, "load_data", watched)
    steps = finding.find(tiny, Wanted(granularity, 0.4, images=64), budgets=BUDGETS)
    for event in steps:
        if "tried" in event:
            assert loaded and {*loaded} == {"train"}
            break
    *_, last = steps
    assert loaded[-1] == "val" and last["result"]["n"] == len(load_data("digits"))


@pytest.mark.parametrize("kind", ["macs", "params"])
def test_the_answer_is_the_plan_judged_anew_and_keeps_its_budget(quick, tiny, tmp_path, kind):
    events, result = found(tiny, Wanted("structure", 0.4, kind, images=64), tmp_path / "out")
    plan = from_recipe(result["plan"])
    assert plan.budget == 0.4 and plan.budget_kind == kind and plan.repair
    again = pipeline.judge_fully(tiny, load_data("digits"), plan)
    assert result["n"] == again.n and abs(result["top1"] - again.top1.value) * again.n <= FLIPS
    unit = max(group.macs if kind == "macs" else group.params for group in groups(tiny)) / total(tiny, kind)
    assert abs(result[f"{kind}_removed"] - 0.4) <= unit
    front = events[-1]["front"] if "front" in events[-1] else result["front"]
    assert {row["share"] for row in front} == {0.3, 0.4, 0.5} and {row["rule"] for row in front} == {True, False}
    assert all(row["n"] == (64 if row["share"] == 0.4 else 32) for row in front)
    opened = pipeline.open_model(result["out"])
    saved = pipeline.judge_fully(replace(opened, info=tiny.info), load_data("digits"))
    assert abs(saved.top1.correct - again.top1.correct) <= FLIPS
    steps = [(event["step"], event["steps"]) for event in events if "front" in event]
    assert steps == sorted(steps) and all(0 <= step <= steps for step, steps in steps)


def groups(opened):
    from dimap_core.anatomy.groups import group_sets

    return [
        replace(group, macs=group.macs_per_unit, params=group.params // group.size)
        for group in group_sets(opened.anatomy)
    ]


def total(opened, kind):
    return sum(getattr(layer, kind) for layer in opened.anatomy.layers)


def test_the_nearest_finalist_wins_and_the_best_rule_is_the_nearest_rule(quick, tiny):
    events, result = found(tiny, Wanted("structure", 0.4, images=64))
    (tried,) = [event["tried"] for event in events if "tried" in event]
    best, rule = (
        min(tried, key=lambda row: row["loss"]),
        min((row for row in tried if row["rule"]), key=lambda row: row["loss"]),
    )
    assert from_recipe(result["plan"]) == from_recipe(best["plan"])
    assert from_recipe(result["best_rule"]["plan"]) == from_recipe(rule["plan"])
    assert all(row["final"] for row in tried)


def test_the_answer_comes_before_the_rest_of_the_front_and_stays(quick, tiny):
    answers, shares = [], []
    for event in finding.find(tiny, Wanted("structure", 0.4, images=64), budgets=BUDGETS):
        answers.append(event.get("answer"))
        shares.append({row["share"] for row in event.get("front", [])})
    first = next(place for place, answer in enumerate(answers) if answer)
    result = event["result"]
    assert shares[first] == {0.4} and all(answer == answers[first] for answer in answers[first:-1])
    assert {key: value for key, value in result.items() if key != "front"} == answers[first]
    assert {row["share"] for row in result["front"]} == {0.3, 0.4, 0.5}


def test_a_search_that_was_stopped_goes_on_where_it_was(quick, tiny, tmp_path, monkeypatch):
    tries, really = [], benches.Bench._tried

    def counted(self, plan, *asked):
        tries.append(plan)
        return really(self, plan, *asked)

    monkeypatch.setattr(benches.Bench, "_tried", counted)
    state, wanted = tmp_path / "job" / "tried", Wanted(budget=0.5, images=64)
    whole, count = found(tiny, wanted)[1], len(tries)
    steps = finding.find(tiny, wanted, None, BUDGETS, state)
    next(event for event in steps if "tried" in event)  # finalists had their real repair
    steps.close()
    stopped = len(tries)
    state.write_text(state.read_text() + '\n[["torn')  # the process was ended while it wrote
    *_, last = finding.find(tiny, wanted, None, BUDGETS, state)
    again = last["result"]
    assert count < stopped < len(tries) == 2 * count
    timed = {"seconds": 0, "estimate": 0}  # which says how long judging took
    assert again | timed == whole | timed


@pytest.mark.parametrize("granularity", ["structure", "weight"])
def test_a_cut_is_tried_as_its_masked_model_answers(tiny, granularity):
    data = benches.part_of(load_data("digits", "train"), np.arange(20))
    plan = PruningPlan("magnitude", granularity, "module", None, budget=0.4, repair=True, images=64)
    selection, _ = pipeline.apply_plan(tiny, plan)
    for preview in (True, False):
        weights = pipeline.preview_weights(tiny, plan) if preview else pipeline.cut_weights(tiny, plan, selection)
        runs = (pipeline.small_runner(tiny, plan, preview), masked(tiny.model, weights))
        small, whole = (torch.cat([*log_answers(tiny.model, tiny.info, data, run)]) for run in runs)
        assert same(small, whole)


def test_who_falls_behind_beyond_doubt_sees_no_more_images_and_nobody_else(quick, tiny, monkeypatch):
    monkeypatch.setattr(benches, "RACED", 16)
    tested = replace(benches.bench(tiny, 64, 0, 64), opened=replace(tiny, sizes=(16,)))
    drain(tested.look())
    mild, deep = (PruningPlan("magnitude", "structure", "layer", ratio, repair=True, images=64) for ratio in (0.1, 0.9))
    near, far = drain(tested.tried(mild, True, False)), drain(tested.tried(deep, True, False))
    assert tested.whole(near) and tested.whole(far) and near.mean < far.mean
    given_up = drain(tested.tried(deep, True, False, None, near))
    n = len(given_up.loss)
    first = next(n for n in (16, 32, 48, 64) if n == 64 or behind(far.loss[:n], near.loss[:n]))
    assert n == first and same(given_up.loss, far.loss[:n])
    assert tested.whole(drain(tested.tried(mild, True, False, None, far)))
    assert not benches.nearer(tested, replace(given_up, loss=np.zeros(n)), near) or n == 64


def behind(loss, rival):
    """By hand: the mean difference is above twice the half width of its 95 % interval."""
    gap = loss - rival
    return gap.mean() > 2 * t.ppf(0.975, len(gap) - 1) * gap.std(ddof=1) / len(gap) ** 0.5


def drain(steps):
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def test_an_accuracy_to_keep_is_kept_by_as_deep_a_cut_as_there_is(quick, tiny):
    _, result = found(tiny, Wanted("structure", keep_top1=0.05, images=64))
    assert result["macs_removed"] >= 0.49  # what the deepest budget tried has, too
    assert_refused(
        InvalidPlan,
        lambda: list(finding.find(tiny, Wanted(keep_top1=0.999, images=64), budgets=BUDGETS)),
        "the most is",
    )


def test_looks_are_counted_once_an_answer_and_widen_the_interval(quick, tiny, tmp_path):
    assert [count_look("m", "d", recipe, tmp_path) for recipe in ("a", "b", "a")] == [1, 2, 2]
    assert count_look("m", "e", "a", tmp_path) == 1
    _, first = found(tiny, Wanted("structure", 0.4, images=64))
    _, second = found(tiny, Wanted("structure", 0.3, images=64))
    _, again = found(tiny, Wanted("structure", 0.3, images=64))
    assert (first["looks"], second["looks"], again["looks"]) == (1, 2, 2)
    assert second["paired"]["confidence"] == pytest.approx(0.975)


def test_an_interval_for_several_looks_is_newcombes_at_that_level():
    rng = np.random.default_rng(0)
    hits, other = rng.random(300) < 0.8, rng.random(300) < 0.7
    one, five = paired_difference(hits, other), paired_difference(hits, other, 5)
    assert five.value == one.value and five.low < one.low < one.high < five.high
    # 99 % instead of 95: half-widths grow nearly as the normal quantiles do
    assert (five.high - five.low) / (one.high - one.low) == pytest.approx(2.5758 / 1.96, rel=0.02)


def test_divergence_is_the_sum_over_classes(tiny):
    data = benches.part_of(load_data("digits", "train"), np.arange(20))
    dense = torch.cat([*log_answers(tiny.model, tiny.info, data, sizes=(7,))])
    assert dense.shape == (20, 10) and same(dense.exp().sum(-1), torch.ones(20))
    other = torch.randn(20, 10, generator=torch.Generator().manual_seed(0)).log_softmax(-1)
    by_hand = [
        sum(np.exp(p) * (p - q) for p, q in zip(*pair, strict=True))
        for pair in zip(dense.double().tolist(), other.double().tolist(), strict=True)
    ]
    assert same(divergence(dense, other), np.array(by_hand))
    assert not divergence(dense, dense).any()


def test_local_search_keeps_the_budget_and_says_what_it_gained(quick, tiny):
    plan = PruningPlan("magnitude", "structure", "model", None, budget=0.4, repair=True, images=64)
    near = neighbours(tiny, plan, np.random.default_rng(0))
    drawn = [next(near) for _ in range(20)]
    assert all(other.budget == 0.4 and other.overrides for other in drawn)
    met = [other for other in drawn if possible(tiny, other)]
    assert met
    heads = {dict(other.overrides).get((1, "head"), 0.0) for other in fewer_heads(plan, 1)}
    assert heads == {0.25, 0.5, 0.75}
    _, result = found(tiny, Wanted("structure", 0.4, seconds=0.5, images=64))
    search = result["search"]
    assert search["gained"] == (search["gain"] is not None and search["gain"][2] < 0)


def test_heads_go_a_notch_up_or_down_where_the_real_repair_says_so(tiny, monkeypatch):
    """Losses fall towards half of the first stage's heads and a quarter of the second's; it starts from none and half:
    one notch each, not the whole way."""
    asked = []

    def of(self, plan, rule, final, limit=None, rival=None):
        yield "Trying cuts", 1, 1
        asked.append((plan, final, rival))
        heads = dict(plan.overrides)
        loss = abs(heads.get((0, "head"), 0) - 0.5) + abs(heads.get((1, "head"), 0) - 0.25)
        return benches.Trial(plan, rule, np.full(64, loss), 0.5, 0.6, 0.6, final)

    monkeypatch.setattr(benches.Bench, "of", of)
    tested = benches.bench(tiny, 64, 0, 64)
    plan = PruningPlan("magnitude", "structure", "model", None, budget=0.4, repair=True, images=64)
    start = replace(plan, overrides=(((1, "head"), 0.5),))
    assert possible(tiny, start)
    best = drain(tested.of(start, False, True))
    near = drain(finding._with_other_heads(tested, best, finding._Found(finding.TimeLeft(1.0))))
    assert dict(near.plan.overrides) == {(0, "head"): 0.25, (1, "head"): 0.25} and near.mean == 0.25
    tries = [dict(other.overrides) for other, final, _ in asked[1:] if final]
    assert len(tries) == len(asked) - 1 and {tried[1, "head"] for tried in tries} <= {0.25, 0.5, 0.75}
    assert all(rival.mean >= near.mean for _, _, rival in asked[1:])


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted(), Wanted(budget=0.5, keep_top1=0.5), Wanted(budget=1.0), Wanted(keep_top1=0.0), Wanted("nm", 0.5),
        Wanted("weight", 0.5, "latency"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused(wanted):
    assert_refused(InvalidPlan, wanted.checked)


def test_every_candidate_is_a_plan(tiny):
    for granularity in ("structure", "weight"):
        for candidate in rows.candidates(granularity):
            plan = candidate.at(0.3, "macs", granularity, 64, 0)
            assert pipeline.apply_plan(tiny, plan)[1].total.macs_after < total(tiny, "macs")
