"""Numbers that a file's weights are: longer ones are told, quantised ones refused for what they are."""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from dimap_core.models.load import load_model
from dimap_core.types.errors import CheckpointError
from tests.helpers import assert_refused
from tests.models.foreign import DEIT, VIT, named
from tests.models.test_model_folders import write


def state(make):
    """A ViT's state dict with every matrix made another."""
    return {name: make(value) if value.ndim == 2 else value for name, value in named(DEIT, **VIT).state_dict().items()}


def bytes_of(value):
    return (100 * value).clamp(-127, 127).to(torch.int8)


def bitsandbytes(value):
    return torch.zeros(value.numel() // 2, 1, dtype=torch.uint8)


def dynamic():
    return torch.ao.quantization.quantize_dynamic(named(DEIT, **VIT), {nn.Linear}, dtype=torch.qint8)


SAVED = {
    "int8": lambda: state(bytes_of),
    "float8": lambda: state(lambda value: value.to(torch.float8_e4m3fn)),
    "complex": lambda: state(lambda value: torch.complex(value, value)),
    "quantised tensors": lambda: state(lambda value: torch.quantize_per_tensor(value, 0.01, 0, torch.qint8)),
    "quantised layers": lambda: dynamic().state_dict(),
    "a quantised model": dynamic,
}


def refused(path):
    assert_refused(CheckpointError, lambda: load_model(str(path)), "is quantised or", "in float32 or float16")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", SAVED)
def test_what_torch_saved_of_a_quantised_model_is_refused_for_that(tmp_path, kind):
    torch.save(SAVED[kind](), tmp_path / "a.pth")
    refused(tmp_path / "a.pth")
    torch.save({"model": SAVED[kind](), "epoch": 3}, tmp_path / "a.pth")
    if kind != "a quantised model":
        refused(tmp_path / "a.pth")


@pytest.mark.parametrize("make", [bytes_of, bitsandbytes, lambda value: value.to(torch.float8_e5m2)])
def test_quantised_safetensors_are_refused_for_that(tmp_path, make):
    save_file(state(make), tmp_path / "a.safetensors")
    refused(tmp_path / "a.safetensors")
    refused(write(tmp_path / "a", state(make)))


@pytest.mark.parametrize("safe", [True, False])
def test_64_bits_are_told_and_16_need_no_word(tmp_path, safe):
    for kind in (torch.float64, torch.float16, torch.bfloat16, torch.float32):
        content = {name: value.to(kind) for name, value in named(DEIT, **VIT).state_dict().items()}
        save_file(content, tmp_path / "a") if safe else torch.save({"net": content}, tmp_path / "a")
        model, info = load_model(str(tmp_path / "a"))
        assert [note for note in info.notes if "float32" in note] == (
            ["Its numbers of 64 bits are read, cut and judged as 32 bits (float32)."] if kind is torch.float64 else []
        )
        assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
