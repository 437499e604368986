"""Training: the loss by hand, augmentations that leave images images, a loop that learns, repeats and stays fp32."""

import copy
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from dimap_core.data.registry import load_data
from dimap_core.models.bundled import BUNDLED
from dimap_core.training import recipes
from dimap_core.training.augment import AUGMENTS, affine, shifts
from dimap_core.training.loop import Training
from dimap_core.training.losses import cue_loss, distillation
from dimap_core.training.recipes import chance
from dimap_core.training.settings import Settings
from dimap_core.types.errors import InvalidPlan, UnsupportedModel
from tests.helpers import SINGLE, same

BF16 = 2.0**-9  # relative: one rounding of bf16, which training uses

CUES = {"left": np.array([0, 0, 1, 1]), "right": np.array([0, 1, 0, 1])}


@pytest.fixture(scope="module")
def few():
    data = load_data("digits", "train")
    return replace(data, images=data.images[:100], labels=data.labels[:100])


def test_the_loss_is_that_of_the_joint_class_and_of_every_cues_marginal():
    p = torch.tensor([[0.1, 0.2, 0.3, 0.4]])
    label = torch.tensor([3])
    joint, left, right = -np.log(0.4), -np.log(0.3 + 0.4), -np.log(0.2 + 0.4)
    assert cue_loss(p.log(), label, {}, 0).item() == pytest.approx(joint, rel=SINGLE)
    assert cue_loss(p.log(), label, CUES, 0).item() == pytest.approx(joint + left + right, rel=SINGLE)


def test_smoothing_touches_the_joint_class_only():
    p = torch.tensor([[0.1, 0.2, 0.3, 0.4]])
    smoothed = 0.9 * -np.log(0.4) + 0.1 / 4 * -np.log(p.numpy().astype(float)).sum()
    marginals = -np.log(0.7) - np.log(0.6)
    loss = cue_loss(p.log(), torch.tensor([3]), CUES, 0.1)
    assert loss.item() == pytest.approx(smoothed + marginals, rel=SINGLE)


def test_the_loss_is_a_mean_over_images_and_reaches_every_logit():
    logits = torch.randn(6, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    labels = torch.tensor([0, 1, 2, 3, 0, 1])
    loss = cue_loss(logits, labels, CUES, 0.05)
    alone = [cue_loss(logits[i : i + 1], labels[i : i + 1], CUES, 0.05).item() for i in range(6)]
    assert loss.item() == pytest.approx(np.mean(alone), rel=SINGLE)
    loss.backward()
    assert torch.isfinite(logits.grad).all() and (logits.grad != 0).all()


@pytest.mark.parametrize("augment", [affine, shifts, AUGMENTS["flips"]])
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


def trained(model, data, teacher=None, held=None, **settings):
    """(the trained model, its losses)."""
    training = Training(model, data, Settings(**settings), teacher=teacher, held=held)
    losses = [step.loss for step in training.run()]
    return training.result(), losses


def test_soft_targets_that_are_certain_are_labels():
    logits = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 1, 2, 3, 0, 1])
    certain = torch.eye(4)[labels]
    assert cue_loss(logits, certain, CUES, 0.1).item() == pytest.approx(
        cue_loss(logits, labels, CUES, 0.1).item(), rel=SINGLE
    )
    other = torch.tensor([3, 2, 1, 0, 0, 2])
    mixed = 0.3 * certain + 0.7 * torch.eye(4)[other]
    both = 0.3 * cue_loss(logits, labels, CUES, 0.1) + 0.7 * cue_loss(logits, other, CUES, 0.1)
    assert cue_loss(logits, mixed, CUES, 0.1).item() == pytest.approx(both.item(), rel=SINGLE)


def test_distillation_by_hand():
    student, teacher = np.array([1.0, 0.0]), np.array([0.0, 2.0])
    p, q = (np.exp(values / 4) / np.exp(values / 4).sum() for values in (teacher, student))
    soft = 16 * (p * np.log(p / q)).sum()
    given = torch.tensor(student[None]), torch.tensor(teacher[None])
    assert distillation(*given, "soft", 4.0).item() == pytest.approx(soft, rel=SINGLE)
    hard = -np.log(np.exp(0) / np.exp(student).sum())
    assert distillation(*given, "hard", 4.0).item() == pytest.approx(hard, rel=SINGLE)


def test_training_lowers_the_loss_and_repeats_itself(make_tiny, few):
    runs = [trained(make_tiny("deit"), few, epochs=12, lr=1e-2, batch_size=20, seed=1) for _ in range(2)]
    losses = np.array(runs[0][1]).reshape(12, 5).mean(1)
    assert losses[-1] < 0.8 * losses[0]
    model = runs[0][0]
    assert runs[0][1] == pytest.approx(runs[1][1], rel=BF16) and not model.training
    assert {tensor.dtype for tensor in model.state_dict().values() if tensor.is_floating_point()} == {torch.float32}
    with torch.inference_mode():
        assert model(torch.zeros(1, 3, 32, 32)).dtype == torch.float32  # no autocast is left around it


def test_another_seed_trains_another_model(make_tiny, few):
    one, other = (trained(make_tiny("deit"), few, batch_size=50, augment="affine", seed=seed)[0] for seed in (1, 2))
    assert not torch.equal(one.head.weight, other.head.weight)


@pytest.mark.parametrize("more", [{}, {"augment": "affine", "mixup": 0.5, "cutmix": 1.0, "ema": 0.9}])
@pytest.mark.parametrize("stop", [3, 5, 8])
def test_a_training_that_was_stopped_goes_on_where_it_was(make_tiny, few, tmp_path, stop, more):
    """All that it goes on from is restored bit by bit, and it takes the same steps with the same images; its kernels
    promise no more than equal sums to rounding, which bf16 and Adam carry on."""
    settings = Settings(epochs=2, batch_size=20, lr=1e-3, **more)
    whole = Training(make_tiny("swin"), few, settings)
    losses = [step.loss for step in whole.run()]
    first = Training(make_tiny("swin"), few, settings)
    for step in first.run():
        if step.step == stop:
            break
    first.save(tmp_path)
    saved, again = held(first), Training(make_tiny("swin"), few, settings)
    assert not alike(held(again), saved)
    again.load(tmp_path)
    assert alike(held(again), saved)
    rest = list(again.run())
    assert [step.step for step in rest] == list(range(stop + 1, 11))
    assert [step.loss for step in rest] == pytest.approx(losses[stop:], rel=BF16)
    again.result(), whole.result()
    inputs = (torch.from_numpy(few.images[:8]).float() / 255 - 0.5) / 0.5
    with torch.no_grad():
        assert same(again.bare(inputs), whole.bare(inputs), BF16)


def held(training):
    """All that a training goes on from: weights, their average, Adam's moments, rates, random numbers, its place."""
    average = {} if training.average is None else training.average.module.state_dict()
    parts = [training.bare.state_dict(), average, training.optimizer.state_dict(), training.schedule.state_dict()]
    numpy_state = np.random.get_state()  # noqa: NPY002
    random = [torch.get_rng_state(), training._epoch_began, numpy_state[1], numpy_state[2], training.step]
    return copy.deepcopy([parts, random])


def alike(one, other):
    """Whether two nests of lists, dicts, arrays and numbers hold the same, bit by bit."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, torch.Tensor | np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    return one == other or callable(one)  # a schedule holds its functions


def test_weights_that_are_held_stay_zero_and_others_learn(make_tiny, few):
    model = make_tiny("swin")
    name = "layers.0.blocks.0.mlp.fc1.weight"
    mask = torch.rand(model.get_parameter(name).shape, generator=torch.Generator().manual_seed(0)) > 0.5
    with torch.no_grad():
        model.get_parameter(name).mul_(mask)
    before = model.get_parameter(name).detach().clone()
    after = trained(model, few, held={name: mask}, epochs=2, ema=0.5)[0].get_parameter(name)
    assert (after[~mask] == 0).all() and (after[mask] != before[mask]).all()


def test_the_average_of_weights_is_what_is_taken(make_tiny, few):
    plain, averaged = (trained(make_tiny("deit"), few, epochs=2, batch_size=20, ema=ema)[0] for ema in (0, 0.9))
    assert not torch.equal(plain.head.weight, averaged.head.weight)


def test_a_teacher_is_followed(make_tiny, few):
    teacher = make_tiny("deit")
    with torch.no_grad():
        teacher.head.bias[3] = 20.0  # sure of one class, whatever it sees
    taught = trained(make_tiny("deit"), few, teacher, epochs=6, lr=1e-2, distill="soft", share=1.0)[0]
    with torch.inference_mode():
        assert (taught(torch.randn(8, 3, 32, 32)).argmax(-1) == 3).all()


def test_muon_takes_orthogonal_steps_in_weights_of_layers_and_adams_in_the_rest(make_tiny, few):
    settings = Settings(
        epochs=1, batch_size=100, lr=1e-3, warmup=0.5, rise=1.0, fall=1.0, weight_decay=0.0, optimizer="muon"
    )
    before = make_tiny("deit").state_dict()
    model, _ = trained(make_tiny("deit"), few, **asdict(settings))
    steps = {name: value - before[name] for name, value in model.state_dict().items()}
    proj = [step for name, step in steps.items() if name.endswith("attn.proj.weight")]
    assert len(proj) == 6
    for step in proj:
        values = torch.linalg.svdvals(step)
        assert values.median() > 0.5 * values.max()
        assert values.max().item() == pytest.approx(1e-3 * 0.2 * len(step) ** 0.5, rel=0.2)
    for name in ("cls_token", "pos_embed", "head.weight", "norm.bias"):
        moved = steps[name].abs()
        large = moved[moved > moved.max() / 2]  # a first step of Adam's is as long for every gradient
        assert len(large) > 0.8 * moved.numel() and large.min() > 0.9 * large.max(), name


def test_a_model_trained_twice_is_trained_the_same_way_twice(make_tiny, few):
    first = Training(make_tiny("deit"), few, Settings(epochs=1, batch_size=100))
    list(first.run())
    seen = []
    second = Training(first.result(), few, Settings(epochs=1, batch_size=100))
    second.bare.blocks[0].mlp.fc1.register_forward_hook(lambda module, given, out: seen.append(out.dtype))
    list(second.run())
    assert set(seen) == {torch.bfloat16}


def test_seconds_become_steps(make_tiny, few):
    model = make_tiny("deit")
    before = {key: value.clone() for key, value in model.state_dict().items()}
    training = Training(model, few, Settings(seconds=0.5, batch_size=20))
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())  # timing leaves no trace
    assert 1 < training.steps < 1000
    assert [step.step for step in training.run()] == list(range(1, training.steps + 1))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [({"epochs": 0}, "epochs"), ({"seconds": -1.0}, "seconds"), ({"lr": 0.0}, "learning rate"),
     ({"augment": "blur"}, "augment must be one of none, affine"), ({"ema": 1.0}, "average"),
     ({"optimizer": "sgd"}, "adamw or muon"),
     ({"distill": "soft"}, "train without it"), ({"batch_size": 0}, "a batch"), ({"share": 2.0}, "share")],
)  # fmt: skip
def test_settings_that_cannot_be_are_one_sentence(make_tiny, few, wrong, told):
    with pytest.raises(InvalidPlan, match=told):
        Training(make_tiny("deit"), few, Settings(**wrong))


def test_chance_is_one_over_the_answers_there_are():
    assert chance(load_data("digits")) == {"joint": 0.1}
    assert chance(load_data("textured-digits")) == {"joint": 1 / 40, "digit": 0.1, "texture": 0.25}


def test_every_bundled_model_has_a_recipe():
    assert set(recipes.RECIPES) == {spec.name for spec in BUNDLED}


def test_an_unknown_name_is_refused_before_anything_is_trained(tmp_path):
    with pytest.raises(UnsupportedModel, match=r"^'bogus' is not a bundled model; choose swin-textured, .*\.$"):
        recipes.train_bundled("bogus", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_is_learned_beside_the_weights_has_its_own_loss_and_rate(make_tiny, few):
    beside = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    settings = Settings(epochs=2, batch_size=50, lr=1e-3, rise=1.0, fall=1.0)
    group = {"params": [beside], "lr": 0.1, "weight_decay": 0.0}
    training = Training(make_tiny("deit"), few, settings, extra_loss=lambda: beside.sum(), extra_groups=[group])
    losses = [step.loss for step in training.run()]
    # Adam moves by its rate where the gradient stays the same.
    assert beside.detach().numpy() == pytest.approx([1 - 4 * 0.1, -2 - 4 * 0.1], rel=SINGLE)
    model, plain = trained(make_tiny("deit"), few, **asdict(settings))
    assert losses[0] == pytest.approx(plain[0] - 1.0, rel=BF16)
    before_the_last_step = beside.sum().item() + 2 * 0.1
    assert losses[-1] == pytest.approx(plain[-1] + before_the_last_step, rel=BF16)
    with torch.no_grad():
        assert same(training.result()(torch.ones(1, 3, 32, 32)), model(torch.ones(1, 3, 32, 32)), BF16)
