"""Titles say what the numbers hold, and nothing that chance could have made."""

import numpy as np
import pytest

from dimap_core.figures import findings
from dimap_core.figures.findings.cuts import percent
from dimap_core.figures.front import TriedCut
from dimap_core.figures.tradeoff import Curve, Point
from dimap_core.types.cost import Part
from dimap_core.types.estimates import AccuracyEstimate, Correlation, Difference, Proportion
from dimap_core.types.findings import CellCut, Compared, Share, WeightRow


def told(text):
    """As it is read: without signs that only keep lines whole."""
    return text.replace("\u00a0", " ")


def row(label, removed, counts=(10, 30, 60), edges=(-3, -2, -1, 0)):
    """A row of 100 weights of which the lowest `removed` go."""
    left, gone = removed, []
    for count in counts:
        gone.append(min(left, count))
        left -= gone[-1]
    return WeightRow(label, "MLP-M", np.array(edges, float), np.array(counts), np.array(gone), (), 0)


def line(label, *points):
    return Curve(label, [Point(x, y, y - 0.02, y + 0.02, 500) for x, y in points])


def share(name, value, low, high):
    return Share(name, Proportion(50, 50, 0.9, 1), Proportion(50, 40, 0.7, 0.9), Difference(50, value, low, high))


def test_the_least_and_the_most_are_found_as_a_search_through_all_cells_finds_them():
    rng = np.random.default_rng(0)
    for _ in range(50):
        values = np.where(rng.random((4, 3)) < 0.2, np.nan, rng.random((4, 3)))
        there = {(i, j): values[i, j] for i in range(4) for j in range(3) if not np.isnan(values[i, j])}
        if len({percent(value) for value in there.values()}) < 2:
            continue
        assert findings.extremes(values, percent) == (min(there, key=there.get), max(there, key=there.get))
    assert findings.extremes(np.full((2, 2), 0.501), percent) is None
    assert findings.extremes(np.full((2, 2), np.nan), percent) is None


def test_a_table_is_told_by_its_extremes_without_the_rows_that_sum_up():
    values = np.array([[0.2, 0.9], [0.5, np.nan], [0.1, 1.0]])
    said = findings.cells(values, ["stage 1", "stage 2", "all"], ["QKV-M", "MLP-M"], "Kept", percent, split=1)
    assert told(said) == "Kept: least in QKV of stage 1 (20 %), most in MLP of stage 1 (90 %)"
    same = findings.cells(np.full((2, 1), 0.5), ["a", "b"], ["QKV-M"], "Kept", percent)
    assert told(same) == "Kept: 50 % everywhere"


def test_ridges_tell_what_goes_or_how_far_their_middles_lie_apart():
    assert told(findings.ridges([row("1 · qkv", 10), row("2 · qkv", 90)], "|w|", True)) == (
        "Gone: from 10 % of QKV in stage 1 to 90 % of QKV in stage 2"
    )
    rows = [row("1 · qkv", 0), row("2 · qkv", 0, (60, 30, 10))]  # the middles lie in the last and in the first bin
    told_apart = "The middle |w| of QKV in part 1 is 100 times that of QKV in part 2"
    assert findings.ridges(rows, "|w|", True, "part") == told_apart
    blocks = [row("block 1", 10), row("block 2", 90)]
    assert told(findings.ridges(blocks, "|w|", True)) == "Gone: from 10 % of block 1 to 90 % of block 2"
    assert findings.ridges(rows, "w", False) == "Nothing is removed from any row"


def test_a_plain_threshold_is_told_by_stages_of_which_each_weight_counts_alike():
    rows = [row("1 · qkv", 0), row("1 · fc1", 100, (200, 0, 0)), row("2 · qkv", 91)]
    plan = [row("1 · qkv", 20), row("1 · fc1", 10, (200, 0, 0)), row("2 · qkv", 40)]
    said = told(findings.plain_threshold(rows, plan, "stage"))
    assert said == "One plain threshold would take 91 % of stage 2, where this cut takes 40 %"
    assert (
        findings.plain_threshold(rows, rows, "part") == "One plain threshold takes from each part what this cut takes"
    )


def test_units_and_masks_are_counted():
    assert findings.mask(0.25, (4, 10)) == "10 of 40 weights stay, 25.0 %"
    ranked = np.array([1.0, 2.0, 3.0, 8.0])
    assert findings.units(ranked, 2) == "2 of 4 go; the first that stays scores 1.5 times the last that goes"
    assert (findings.units(ranked, 0), findings.units(ranked, 4)) == ("All 4 stay", "All 4 go")
    ranks = np.array([[0, 10], [50, 20], [90, 90]], np.float32)
    assert "within 10 of 100" in findings.ranks(Compared(ranks, 3, ()))


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [(0.1, 0.7, "beyond chance"), (-0.1, 0.7, "could be luck"), (-0.7, -0.1, "the reverse")],
)
def test_a_correlation_whose_interval_holds_zero_may_be_luck(low, high, words):
    assert words in findings.foretold(Correlation(40, 0.3, low, high), "DIMAP")
    assert "too few" in findings.foretold(None, "DIMAP")


def test_parts_lose_only_beyond_chance_at_their_strongest_cut():
    def cut(stage, removed, low, high):
        drop, share = Difference(200, (low + high) / 2, low, high), Proportion(200, 180, 0.85, 0.95)
        estimate = AccuracyEstimate(200, 200, {"joint": share}, share, {"joint": drop})
        return CellCut(stage, "MLP-M", removed, removed, 0.1, 0.1, estimate, drop, 0.0)

    rows = [cut(0, 0.9, -0.3, -0.1), cut(0, 0.5, -0.1, 0.1), cut(1, 0.9, -0.1, 0.02)]
    assert findings.bears(rows, "MLP-M", ["stage 1", "stage 2"]) == (
        "MLP: stage 1 loses beyond chance, the others do not"
    )
    assert findings.bears(rows[1:], "MLP-M", ["stage 1", "stage 2"]) == "MLP: no loss beyond chance anywhere"
    assert findings.bears(rows, "QKV-M", ["stage 1"]) == "QKV: nothing can go here"


def test_only_intervals_without_zero_lose_or_gain():
    shares = [share("1", -0.2, -0.3, -0.1), share("2", -0.3, -0.7, 0.1), share("3", 0.2, 0.1, 0.3)]
    assert findings.drops(shares, "digit") == "1 of 3 loses beyond chance, digit 1 most (−20.0 points), 1 gains"
    assert findings.drops(shares[1:2], "digit") == "No digit loses beyond chance"


def test_confusions_name_the_lost_and_where_they_went():
    change = np.array([[-3, 3, 0], [1, -1, 0], [0, 0, 0]])
    said = findings.confusions(change, ["a", "b", "c"], "class")
    assert said == "Class a loses 3 right answers; most new mistakes: a → b (+3)"
    assert findings.confusions(np.zeros((3, 3), int), ["a", "b", "c"], "class") == "No confusion grew"


def test_stages_are_told_by_what_can_go_of_them():
    parts = {(0, "QKV-M"): Part(prunable=10, removed=1), (0, "MLP-M"): Part(prunable=90, removed=9),
             (1, "MLP-M"): Part(prunable=50, removed=40), (None, "AUX-M"): Part(params=7)}  # fmt: skip
    assert told(findings.kept(parts, "Stage")) == "Stage 2 keeps 20 % of its weights, stage 1 keeps 90 %"


def test_beside_dense_smaller_models_are_told_by_their_reach_and_nothing_more():
    assert findings.beside_dense([0.975, 0.9, 0.96], 0.98) == (
        "3 smaller models reach 90.0 to 97.5 %, the dense one 98.0 %"
    )
    assert findings.beside_dense([0.9, 0.9001], 0.98).startswith("2 smaller models reach 90.0 %, ")


RULE = Part(1_517_964, 19_680_768, 400_984, 9_053_212)  # swin-textured: 80 % cut by DIMAP over all stages
HAND = Part(1_517_964, 19_680_768, 439_694, 8_002_448)  # 40, 60, 75 and 80 % of its stages
WHOLE = Part(1_517_964, 19_680_768, 1_517_964, 19_680_768)
LUCK = Difference(1080, 6 / 1080, -0.006336, 0.017724)  # as they were judged on the textured digits
LOST = Difference(1080, -41 / 1080, -0.051937, -0.025971)


@pytest.mark.parametrize(
    ("first", "second", "difference", "sentence"),
    [
        (
            ("A", RULE), ("B", HAND), LUCK,
            "B needs 12 % fewer MACs than A and 10 % more weights; its 0.6 points more on 1,080 images could be luck.",
        ),
        (
            ("the dense model", WHOLE), ("this cut", RULE), LOST,
            "This cut needs 54 % fewer MACs than the dense model and 74 % fewer weights; its 3.8 points less on 1,080 "
            "images are beyond chance.",
        ),
        (
            ("A", RULE), ("the dense model", WHOLE), Difference(1080, 0.038, 0.026, 0.052),
            "The dense model needs 2.2 times the MACs of A and 3.8 times the weights; its 3.8 points more on 1,080 "
            "images are beyond chance.",
        ),
        (
            ("A", RULE), ("B", RULE), Difference(1080, 0.0, -0.003, 0.003),
            "B needs as many MACs and weights as A; both are right on equally many of 1,080 images.",
        ),
        (
            ("A", RULE), ("B", Part(1_517_964, 19_680_768, 400_984, 9_053_213)), None,
            "B needs nearly as many MACs as A and as many weights; why not.",
        ),
    ],
)  # fmt: skip
def test_two_cuts_are_told_by_what_the_second_costs_and_by_their_paired_difference(first, second, difference, sentence):
    said = findings.pair(findings.Named(*first), findings.Named(*second), difference, "why not")
    assert told(said) == sentence


def test_chance_is_told_by_zero_in_the_paired_interval_alone():
    texture = Difference(1080, -0.015741, -0.025208, -0.008694)
    assert [findings.chance(found) for found in (LUCK, texture)] == ["could be luck", "beyond chance"]
    assert findings.chance(Difference(1080, 0.01, 0.0, 0.02)) == "could be luck"
    both = {"top-1": LUCK, "digit": Difference(1080, 0.02037, 0.011302, 0.031004), "texture": texture}
    assert findings.beyond("B − A", both) == (
        "B − A: digit +2.0 and texture −1.6 points are beyond chance; top-1 could be luck"
    )
    assert findings.beyond("B − A", {"top-1": LUCK}) == "B − A: top-1 could be luck"


def test_a_curve_leads_only_where_intervals_lie_apart_and_the_other_was_measured_on_both_sides():
    own = line("DIMAP", (0.1, 0.9), (0.2, 0.5), (0.4, 0.8), (0.6, 0.95), (0.9, 0.97))
    other = line("uniform", (0.15, 0.6), (0.3, 0.7), (0.5, 0.8), (0.8, 0.955))
    # at 0.2 uniform has 0.63, at 0.4 0.75 and at 0.6 0.852; 0.1 and 0.9 lie outside of what it was measured at
    said = told(findings.curves(own, other, "MACs"))
    assert said == "Over MACs, DIMAP leads from 40 % to 60 % kept, uniform leads at 20 % kept"
    torn = line("DIMAP", (0.2, 0.9), (0.4, 0.75), (0.6, 0.95))
    assert told(findings.curves(torn, other, "MACs")) == "Over MACs, DIMAP leads at 20 % kept and at 60 % kept"
    assert "differ nowhere beyond chance" in findings.curves(own, own, "params")


def test_a_front_is_told_within_its_budget():
    tried = [TriedCut(0.2, 0.9, False, "a"), TriedCut(0.2, 0.8, True, "b"), TriedCut(0.5, 0.99, True, "c")]
    said = told(findings.front(tried, 0.3, 400))
    assert said == "Best found 90.0 %, best fixed rule 80.0 % with 30 % kept or less, on the 400 images that choose"
    assert findings.front(tried[:1], 0.3, 400).startswith("Tried so far: 1, on 400 images")


def test_training_gains_only_where_the_ends_intervals_lie_apart():
    first = {"step": 0, "loss": 2.0, "top1": 0.6, "low": 0.5, "high": 0.7}
    last = {"step": 9, "loss": 0.5, "top1": 0.9, "low": 0.8, "high": 0.95}
    assert findings.learning([first, last]) == "Training brought it from 60.0 to 90.0 % right"
    assert findings.learning([last, first]) == "Training took it from 90.0 to 60.0 % right"
    assert "intervals overlap" in findings.learning([first, {**last, "low": 0.65}])
    assert findings.learning([{"step": 0, "loss": 2.0}]).startswith("Loss 2.00")


def test_what_searches_keep_is_told_by_blocks():
    dense = [{"head": 4, "mlp_neuron": 100}] * 2
    kept = [{"head": 4, "mlp_neuron": 30}, {"head": 2, "mlp_neuron": 60}]
    said = told(findings.redistribution(kept, dense, ("mlp_neuron", "head")))
    assert said == "It keeps 30 % of block 1's hidden units and 100 % of block 1's heads"
    points = [{"step": 8, "indicators": {"v_dim": [[100, 50], [10]]}}]
    assert (
        told(findings.indicators(points, "v_dim"))
        == "At step 8, 75 % of block 1 and 10 % of block 2 would stay by itself"
    )
    assert told(findings.similarity([[100, 20], [40, 100]], [[100]])) == (
        "Two channels are 30 % alike in the dense head, one channel only in what is left"
    )


def test_mixers_and_kernels_are_told_with_their_blocks():
    blocks = [{"mixer": "softmax", "hidden": 10, "of": 40}, {"mixer": "conv3", "hidden": 20, "of": 40}]
    assert told(findings.mixers(blocks)) == "Attention goes in block 2; 38 % of the hidden units stay"
    pictures = {"b": {"attention": np.ones((5, 5)).tolist(), "kernel": np.ones((3, 3)).tolist()}}
    said = told(findings.kernels(pictures, {"b": "block 2"}))
    assert said == "Of the attention drawn, the kernel reaches 36 % in block 2"


def judged(drop, n=1000):
    """An estimate at 95 % right whose paired difference to dense is `drop` = (value, low, high)."""
    share = Proportion(n, round(0.95 * n), 0.935, 0.962)
    return AccuracyEstimate(n, n, {"joint": share}, None, {} if drop is None else {"joint": Difference(n, *drop)})


@pytest.mark.parametrize(
    ("drop", "said"),
    [
        ((-0.038, -0.052, -0.026), "3.8 points worse than dense"),
        ((0.02, 0.005, 0.04), "2.0 points better than dense"),
        ((-0.002, -0.009, 0.005), "no loss beyond chance"),
        ((0.0, 0.0, 0.0), "no loss beyond chance"),
    ],
)
def test_a_cut_is_worse_or_better_only_beyond_chance(drop, said):
    title, behind = findings.cut(0.46, judged(drop), "joint")
    assert title.startswith("46 % of the MACs kept") and title.endswith(said)
    assert behind.endswith("against dense, paired, n = 1,000")


def test_a_cut_without_a_dense_model_or_images_claims_nothing():
    assert findings.cut(0.5, None, "joint") == ("50 % of the MACs kept", "")
    assert findings.cut(0.5, judged(None), "joint") == ("50 % of the MACs kept, 95.0 % right", "n = 1,000")


def test_without_labels_a_cut_is_told_by_the_answers_it_changes():
    found = judged((-0.05, -0.06, -0.04))
    title, behind = findings.cut(0.46, found, "joint", agreement=True)
    assert title == "46 % of the MACs kept: 5.0 % of its answers are not the dense model's"
    low, high = (100 * (1 - end) for end in (found.cues["joint"].high, found.cues["joint"].low))
    assert behind == f"{low:.1f} to {high:.1f} %, n = 1,000"
