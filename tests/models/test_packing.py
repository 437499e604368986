"""Tensors that timm keeps in other pieces: what they are packed to, and that nothing else is touched."""

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

from dimap_core.models.files.listing import Listing
from dimap_core.models.files.packing import packed
from dimap_core.types.errors import CheckpointError
from tests.models.foreign import DEIT, VIT, apart, check, logits, named
from tests.models.test_foreign_files import hugging_face


@pytest.mark.filterwarnings("ignore:.*weight_norm.* is deprecated")
def test_masks_and_weight_norms_are_applied(tmp_path):
    model = named(DEIT, **VIT)
    layers = [module for module in model.modules() if isinstance(module, nn.Linear)]
    for number, layer in enumerate(layers[:-1]):
        if number % 3 == 0:
            prune.random_unstructured(layer, "weight", 0.3)
        elif number % 3 == 1:
            nn.utils.weight_norm(layer)
            layer.weight_g.data *= 1.5
        else:
            parametrizations.weight_norm(layer).parametrizations.weight.original0.data *= 0.5
    info = check(tmp_path, model.state_dict(), logits(model, 64), 64)
    assert info.zeroed


def test_masks_of_queries_are_applied_before_they_are_packed(tmp_path):
    model = named(DEIT, eps=1e-12, **VIT)
    masks = {name: torch.rand_like(value) > 0.5 for name, value in model.state_dict().items() if "qkv.w" in name}
    state = apart(model.state_dict(), ("query", "key", "value"))
    masked = apart(masks, ("query", "key", "value"))
    for name, mask in masked.items():
        state |= {f"{name}_orig": state.pop(name), f"{name}_mask": mask.float()}
    for name, mask in masks.items():
        model.state_dict()[name] *= mask
    check(tmp_path, hugging_face(state, 4, "vit"), logits(model, 64), 64, tolerance=0)


def listing(**shapes):
    return Listing(shapes, frozenset(shapes), lambda name: torch.ones(shapes[name]))


@pytest.mark.parametrize(
    "shapes",
    [
        {"a.weight_orig": (3, 4), "a.weight_mask": (5, 4)},
        {"a.weight_g": (3,), "a.weight_v": (4, 5)},
        {"a.query.weight": (3, 4), "a.key.weight": (3, 5), "a.value.weight": ()},
        {"stages.0.downsample.norm.weight": (7,)},
        {"stages.0.downsample.norm.weight": ()},
        {"cls_token": (), "pos_embed": (2,), "register_tokens": (1,)},
    ],
)
def test_parts_that_do_not_fit_together_are_one_sentence(shapes):
    with pytest.raises(CheckpointError, match="do not fit together"):
        packed(listing(**shapes))


def test_what_is_not_whole_is_left_as_it_is():
    shapes = {"a.query.weight": (3, 4), "a.key.weight": (3, 4), "b.weight_orig": (3,), "c_g": (3,)}
    assert packed(listing(**shapes)).shapes == shapes
    with pytest.raises(CheckpointError, match="holds 'b' twice"):
        packed(listing(b=(3,), b_orig=(3,), b_mask=(3,)))
