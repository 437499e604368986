"""Training: the loss by hand, augmentations that leave images images, a loop that learns, repeats and stays fp32."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from dimap_core import training
from dimap_core.bundled import BUNDLED
from dimap_core.data import load_data
from dimap_core.errors import UnsupportedModel
from dimap_core.training import Recipe, affine, chance, cue_loss, fit, shifts

CUES = {"left": np.array([0, 0, 1, 1]), "right": np.array([0, 1, 0, 1])}


@pytest.fixture(scope="module")
def few():
    data = load_data("digits", "train")
    return replace(data, images=data.images[:100], labels=data.labels[:100])


def test_the_loss_is_that_of_the_joint_class_and_of_every_cues_marginal():
    p = torch.tensor([[0.1, 0.2, 0.3, 0.4]])
    label = torch.tensor([3])
    joint, left, right = -np.log(0.4), -np.log(0.3 + 0.4), -np.log(0.2 + 0.4)
    assert cue_loss(p.log(), label, {}, 0).item() == pytest.approx(joint)
    assert cue_loss(p.log(), label, CUES, 0).item() == pytest.approx(joint + left + right, rel=1e-6)


def test_smoothing_touches_the_joint_class_only():
    p = torch.tensor([[0.1, 0.2, 0.3, 0.4]])
    smoothed = 0.9 * -np.log(0.4) + 0.1 / 4 * -np.log(p.numpy().astype(float)).sum()
    marginals = -np.log(0.7) - np.log(0.6)
    loss = cue_loss(p.log(), torch.tensor([3]), CUES, 0.1)
    assert loss.item() == pytest.approx(smoothed + marginals, rel=1e-6)


def test_the_loss_is_a_mean_over_images_and_reaches_every_logit():
    logits = torch.randn(6, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    labels = torch.tensor([0, 1, 2, 3, 0, 1])
    loss = cue_loss(logits, labels, CUES, 0.05)
    alone = [cue_loss(logits[i : i + 1], labels[i : i + 1], CUES, 0.05).item() for i in range(6)]
    assert loss.item() == pytest.approx(np.mean(alone), rel=1e-5)
    loss.backward()
    assert torch.isfinite(logits.grad).all() and (logits.grad != 0).all()


@pytest.mark.parametrize("augment", [affine, shifts])
@pytest.mark.parametrize("size", [32, 64])
def test_augmented_images_have_the_shape_and_range_of_images(augment, size):
    torch.manual_seed(0)
    images = torch.rand(20, 3, size, size) * 2 - 1
    changed = augment(images)
    assert changed.shape == images.shape and changed.dtype == images.dtype
    assert changed.min() >= images.min() and changed.max() <= images.max()
    assert (changed != images).any()
    torch.manual_seed(0)
    torch.rand(20, 3, size, size)
    assert torch.equal(augment(images), changed)


def test_shifts_move_by_at_most_four_pixels():
    image = torch.zeros(1, 1, 32, 32)
    image[..., 16, 16] = 1
    seen = set()
    for seed in range(60):
        torch.manual_seed(seed)
        place = shifts(image)[0, 0].argmax().item()
        seen.add((place // 32 - 16, place % 32 - 16))
    assert len(seen) > 20 and all(-4 <= shift <= 4 for pair in seen for shift in pair)


def test_affine_moves_each_image_on_its_own():
    torch.manual_seed(0)
    images = torch.linspace(-1, 1, 32).repeat(2, 1, 32, 1)
    one, other = affine(images)
    assert not torch.allclose(one, other)


def test_training_lowers_the_loss_and_repeats_itself(make_tiny, few):
    runs = []
    for _ in range(2):
        lines, model = [], make_tiny("deit")
        trained = fit(model, few, Recipe(12, torch.clone, lr=1e-2, batch_size=20), seed=1, progress=lines.append)
        runs.append(trained.state_dict())
    losses = [float(re.search(r"loss ([\d.]+)", line)[1]) for line in lines]
    assert len(losses) == 12 and losses[-1] < 0.8 * losses[0]
    assert lines[0].startswith("epoch 1/12, ") and lines[-1].endswith(" 0 s left")
    assert not trained.training
    assert all(torch.equal(runs[0][key], runs[1][key]) for key in runs[0])
    assert {tensor.dtype for tensor in runs[0].values() if tensor.is_floating_point()} == {torch.float32}
    with torch.inference_mode():
        assert trained(torch.zeros(1, 3, 32, 32)).dtype == torch.float32  # no autocast is left around it


def test_another_seed_trains_another_model(make_tiny, few):
    one, other = (
        fit(make_tiny("deit"), few, Recipe(1, affine, batch_size=50), seed=seed, progress=lambda _: None)
        for seed in (1, 2)
    )
    assert not torch.equal(one.head.weight, other.head.weight)


def test_chance_is_one_over_the_answers_there_are():
    assert chance(load_data("digits")) == {"joint": 0.1}
    assert chance(load_data("textured-digits")) == {"joint": 1 / 40, "digit": 0.1, "texture": 0.25}


def test_every_bundled_model_has_a_recipe():
    assert set(training.RECIPES) == {spec.name for spec in BUNDLED}


def test_an_unknown_name_is_refused_before_anything_is_trained(tmp_path):
    with pytest.raises(UnsupportedModel, match=r"^'bogus' is not a bundled model; choose swin-textured, .*\.$"):
        training.train_bundled("bogus", tmp_path)
    assert list(tmp_path.iterdir()) == []
