"""Files in the layouts of other code bases: models for them, their state dicts written anew, and what they open as."""

import re

import timm
import torch
from safetensors.torch import save_file
from torch import nn

from dimap_core.models.load import load_model

SWIN, DEIT = "swin_tiny_patch4_window7_224", "deit_tiny_patch16_224"
VIT = {"img_size": 64, "num_classes": 7}
CLOSE = 1e-5  # of logits around 1, in float32


def lively(model, seed=0):
    """Weights as large as trained ones, so that logits differ and no norm divides by next to nothing."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.data += 0.05 * torch.randn(parameter.shape, generator=generator)
    return model.eval()


def named(name, seed=0, eps=None, **settings):
    torch.manual_seed(seed)
    model = lively(timm.create_model(name, **settings), seed)
    for module in model.modules():
        if eps and isinstance(module, nn.LayerNorm):
            module.eps = eps
    return model


def logits(model, size):
    images = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        found = model(images)
    return getattr(found, "logits", found)


def opened(tmp_path, content, architecture="", **kind):
    path = tmp_path / "theirs"
    if kind.get("safe"):
        save_file({name: value.contiguous() for name, value in content.items()}, path)
    else:
        torch.save(content, path)
    return load_model(f"{path}@{architecture}" if architecture else str(path))


def told(info):
    """What is told of a file besides how images enter, which every file leaves open."""
    return [note for note in info.notes if not note.startswith("Images are")]


def check(tmp_path, content, wanted, size, tolerance=CLOSE, **more):
    """The file of `content` gives the logits `wanted`."""
    model, info = opened(tmp_path, content, **more)
    assert wanted.std() > 0.01
    torch.testing.assert_close(logits(model, size), wanted, rtol=0, atol=tolerance)
    return info


def prefixed(state, prefix):
    return {f"{prefix}{name}": value for name, value in state.items()}


def written(state, rules):
    """A state dict with timm's names written as another's."""
    found = {}
    for name, value in state.items():
        for pattern, new in rules:
            name = re.sub(pattern, new, name)
        found[name] = value
    return found


def apart(state, names, mark=r"(.*attn\.)qkv\.(\w+)"):
    """A state dict with queries, keys and values in tensors of their own."""
    found = {}
    for name, value in state.items():
        if at := re.fullmatch(mark, name):
            parts = zip(names, value.chunk(3), strict=True)
            found |= {f"{at[1]}{part}.{at[2]}": tensor.clone() for part, tensor in parts}
        else:
            found[name] = value
    return found
