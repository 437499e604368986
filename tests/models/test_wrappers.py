"""The state dict is found in any wrapper, and its names under any shared prefix."""

import pytest
import torch

from dimap_core.models.files.layouts import renamed
from dimap_core.types.errors import UnsupportedModel
from tests.models.foreign import DEIT, VIT, check, logits, named, opened, prefixed

OTHER = named(DEIT, 5, **VIT).state_dict()
OPTIMIZER = {"state": {n: {"exp_avg": torch.zeros(3), "step": torch.tensor(1.0)} for n in range(200)}}
WRAPPED = {
    **{key: lambda s, key=key: {key: s, "optimizer": OPTIMIZER, "loss": torch.tensor(0.1)} for key in
       ("model_state_dict", "net", "network", "weights", "params", "my_best_model")},
    "three deep": lambda s: {"checkpoint": {"trainer": {"net": s}}, "epoch": 3},
    "ema": lambda s: {"model": OTHER, "ema": s},
    "ema within": lambda s: {"state_dict": OTHER, "ema": {"module": prefixed(s, "module."), "decay": 0.9}},
    "ema_state_dict": lambda s: {"net": OTHER, "ema_state_dict": s},
    "DINO": lambda s: {"student": OTHER, "teacher": prefixed(s, "backbone.")},
    "an EMA of nothing": lambda s: {"model": s, "ema": {"decay": torch.tensor(0.9)}},
    "averaged by torch": lambda s: {"n_averaged": torch.tensor(3), **prefixed(s, "module.")},
    "a loss beside it": lambda s: {"state_dict": {**prefixed(s, "net."), "criterion.weight": torch.ones(7)}},
    "compiled within": lambda s: {name.replace(".attn", "._orig_mod.attn"): value for name, value in s.items()},
    **{prefix: lambda s, prefix=prefix: {"state_dict": prefixed(s, prefix)} for prefix in
       ("net.", "model.module.", "swin.", "student.encoder.0.")},
}  # fmt: skip


@pytest.mark.parametrize("wrapper", WRAPPED)
def test_any_wrapper_and_any_shared_prefix_is_found(tmp_path, wrapper):
    model = named(DEIT, **VIT)
    check(tmp_path, WRAPPED[wrapper](model.state_dict()), logits(model, 64), 64, tolerance=0)


def test_a_file_that_holds_itself_is_looked_at_once(tmp_path):
    content = {str(number): [] for number in range(1000)}
    inner = {**dict.fromkeys(content, content), "tensor": torch.zeros(2)}
    content |= dict.fromkeys(content, inner)
    with pytest.raises(UnsupportedModel, match="begins with tensor"):
        opened(tmp_path, content)


def test_names_of_a_million_dots_are_read_in_no_time():
    long = "module." * 200_000 + "a" + ".b" * 200_000
    assert renamed([long]) == {"b": long} and next(iter(renamed([long, "c"]))).startswith("a.b")
    assert renamed(["layers." + "9" * 9000 + ".downsample.a", "layers.0.downsample.reduction.weight"])
