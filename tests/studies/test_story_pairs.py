"""Cuts against each other: dense is a cut that takes nothing, and answers are paired over the same images alone."""

from dataclasses import replace

import pytest

from dimap_core.studies.story.differences import differing, hits, paired, same_images, uncut
from dimap_core.studies.story.story import Ground, Told
from dimap_core.studies.story.telling import tell
from dimap_core.types.plan import PruningPlan


@pytest.fixture(scope="module")
def found(tiny):
    """The ground of a tiny model, then what is told of a cut that takes nothing, and of one that takes much."""
    return [one for _, one in tell(tiny, [PruningPlan(ratio=0.0), PruningPlan(ratio=0.8)]) if one is not None]


def test_dense_is_what_a_cut_of_nothing_is_told_as(found):
    ground, nothing, much = found
    assert isinstance(ground, Ground) and isinstance(much, Told)
    dense = uncut(ground)
    assert (dense.total, dense.bands, dense.answers) == (nothing.total, nothing.bands, nothing.answers)
    assert {(stage, module): part for stage, module, part in dense.cells} == nothing.cost.cells
    assert dense.estimate.top1 == nothing.estimate.top1
    assert paired(ground, dense).value == 0 and paired(ground, much, dense) == paired(ground, much)


def test_differences_are_the_images_that_only_one_gets_right(found):
    ground, dense, much = found[0], uncut(found[0]), found[2]
    only_dense, only_much = differing(ground, dense, much)
    right, left = hits(ground, dense.answers), hits(ground, much.answers)
    assert {one.number for one in only_dense} == {ground.numbers[k] for k in range(len(right)) if right[k] > left[k]}
    assert paired(ground, much).value == pytest.approx((len(only_much) - len(only_dense)) / len(right))


def test_answers_are_paired_only_where_images_and_labels_are_the_same(found):
    ground = found[0]
    other_model = replace(ground, fingerprint="another", answers=ground.answers[::-1])
    assert same_images(ground, other_model)
    for change in (
        {"images": "others"}, {"images": None}, {"numbers": ground.numbers[::-1]}, {"labels": ground.labels[::-1]},
        {"class_names": ground.class_names[::-1]},
    ):  # fmt: skip
        assert not same_images(ground, replace(ground, **change))
    unjudged = replace(ground, images=None)
    assert not same_images(unjudged, unjudged)
