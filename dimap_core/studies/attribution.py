"""Attribution: which pixels make the dense and the pruned model answer as they do, mostly by captum.

Models stay as they are: captum's hooks sit on a module of our own, gradients are taken of the image alone, and flags
are put back after every step.
Next door: `explanations` lists the methods, `pipeline` cuts, `measure.prefix` runs a model block by block.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from captum.attr import IntegratedGradients, LayerGradCam, Occlusion
from torch import nn

from ..anatomy import attention_weights, embed, evaluating, head, segments
from ..data import check_fit, normalised
from ..pipeline import Opened, check_trained, prune
from ..types import DataError, Family, LabelledImages, ModelInfo, PruningError, PruningPlan
from .explanations import Attribution, Explanation, method

PIECES, STEPS = 4, 16  # of the way from black to the image; steps in each piece
TOLERANCE = 0.02  # logits; completeness error of the whole way above which pieces are halved
FINEST = 1 / 64  # of the way; shorter pieces are not halved again
WINDOWS = 16  # occluded windows along each side at most
_BATCH = 32  # occluded images of one forward pass

Steps = Generator[None, None, Attribution]
"""Yields after every short step, returns the map."""


def explain(
    opened: Opened, data: LabelledImages, plan: PruningPlan, image: int, key: str, target: int
) -> Iterator[tuple[str, Explanation | None]]:
    """Yield (what is done, None) after every short step, then the explanation.

    Args:
        image: its number in `data`.
        key: of a method in `explanations.METHODS`.
        target: class of the data whose logit is explained.

    Raises:
        DataError: random weights, or an image or class that does not exist.
        PruningError: a method that this family of models does not have.
    """
    check_trained(opened)
    check_fit(opened.info, data)
    info = method(key, opened.info.family)
    for name, value, size in (("image", image, len(data)), ("class", target, len(data.class_names))):
        if not (isinstance(value, int) and 0 <= value < size):
            raise DataError(f"There is no {name} {value} in '{data.name}'; choose one from 0 to {size - 1}.")
    found, output = {}, target if data.outputs is None else int(data.outputs[target])
    for name, cut in (("dense", opened.model), ("pruned", prune(opened, plan)[0])):
        model = _usable(cut)
        steps = _METHODS[key](model, opened.info, data.images[image], output)
        while True:
            try:
                with _ready(model):
                    next(steps)
            except StopIteration as done:
                found[name] = done.value
                break
            yield f"{info.label}, {name} model", None
    yield info.label, Explanation(key, target, found["dense"], found["pruned"])


def _usable(model: nn.Module) -> nn.Module:
    """The model itself, or a copy where it was built under inference mode, whose tensors autograd refuses."""
    with torch.inference_mode(False):
        return copy.deepcopy(model) if any(tensor.is_inference() for tensor in model.parameters()) else model


@contextmanager
def _ready(model: nn.Module) -> Iterator[None]:
    """What one step needs, and no longer than that: a step of another request may come next."""
    with torch.inference_mode(False), torch.enable_grad(), evaluating(model):
        yield


def integrated_gradients(model: nn.Module, info: ModelInfo, image: np.ndarray, target: int) -> Steps:
    """(x - x') times the mean gradient on the straight way from black x' to x (arXiv 1703.01365, Eq. 1), summed over
    channels.

    Gauss-Legendre quadrature, `STEPS` gradients for each piece of the way: the pieces' attributions add up, and so do
    their completeness errors (Eq. 3), which tell where the gradient turns so fast that a piece has to be halved.
    """
    black, x = _ends(model, info, image)
    captum = IntegratedGradients(model)
    total, missed = torch.zeros_like(x), 0.0
    pieces = [(place / PIECES, (place + 1) / PIECES) for place in range(PIECES)]
    while pieces:
        low, high = pieces.pop()
        ends = (black + (x - black) * share for share in (high, low))
        part, error = captum.attribute(*ends, target=target, n_steps=STEPS, return_convergence_delta=True)
        if abs(float(error)) > TOLERANCE * (high - low) and high - low > FINEST:
            pieces += [(low, (low + high) / 2), ((low + high) / 2, high)]
        else:
            total, missed = total + part, missed + float(error)
        yield
    return _map(total.sum(1), image, error=missed, change=float(total.double().sum()) - missed)


def occlusion(model: nn.Module, info: ModelInfo, image: np.ndarray, target: int) -> Steps:
    """How far the logit falls when a window is black; windows are patches, or the least number of patches a side that
    leaves at most `WINDOWS` along the image."""
    black, x = _ends(model, info, image)
    height, width = x.shape[-2:]
    patch = _patch(model)
    side = patch * math.ceil(math.ceil(max(height, width) / patch) / WINDOWS)
    rows = max(1, _BATCH // math.ceil(width / side)) * side  # whole rows of windows, one forward pass each
    bands = []
    for top in range(0, height, rows):
        bottom = min(top + rows, height)

        def pasted(band: torch.Tensor, top: int = top, bottom: int = bottom) -> torch.Tensor:
            images = x.expand(len(band), -1, -1, -1).clone()
            images[:, :, top:bottom] = band
            return model(images)

        with torch.no_grad():
            window = (info.channels, min(side, bottom - top), side)
            found = Occlusion(pasted).attribute(
                x[:, :, top:bottom], window, strides=window, baselines=black[:, :, top:bottom], target=target,
                perturbations_per_eval=_BATCH,
            )  # fmt: skip
        bands.append(found[:, 0])  # the same in every channel
        yield
    return _map(torch.cat(bands, 1), image, math.ceil(height / side) * math.ceil(width / side))


def grad_cam(model: nn.Module, info: ModelInfo, image: np.ndarray, target: int) -> Steps:
    """ReLU of the feature maps weighed by their mean gradient (arXiv 1610.02391, Eq. 1 and 2), a value a token."""
    shown = _Shown(model, info.family)
    _, x = _ends(model, info, image)
    found = LayerGradCam(shown, shown.map).attribute(x, target=target, relu_attributions=True)
    yield
    return _map(found[:, 0], image)


def rollout(model: nn.Module, info: ModelInfo, image: np.ndarray, target: int) -> Steps:
    """Attention from what the classifier reads back to the patches through all blocks (arXiv 2005.00928, section 3):
    the mean over heads W mixed with the residual, A = (W + I) / 2, multiplied block after block. Read is the class
    token; of a distilled DeiT the mean of its two tokens, of a pooled ViT that of its patches.

    Heads that were sliced out take no part; as zeros they would attend to everything alike.
    """
    network: Any = model
    if any(hasattr(block.attn, "mixer") for block in network.blocks):
        raise PruningError(
            "Attention rollout follows attention through every block, and here convolutions or nothing took its place "
            "in some; choose another explanation."
        )
    _, images = _ends(model, info, image)
    with torch.no_grad():
        x = embed(model, "deit", images)
        eye = torch.eye(x.shape[1], device=x.device)
        joint = eye
        for block in network.blocks:
            weights = attention_weights(block.attn, block.norm1(x))[0].mean(0)
            joint = (weights + eye) / 2 @ joint
            x = block(x)
    yield
    prefix = network.num_prefix_tokens
    if hasattr(network, "head_dist"):
        read = joint[:2]
    elif network.global_pool == "token":
        read = joint[:1]
    else:
        read = joint[0 if network.pool_include_prefix else prefix :]
    return _map(read[:, prefix:].mean(0, keepdim=True).unflatten(1, network.patch_embed.grid_size), image)


class _Shown(nn.Module):
    """A model's forward pass in which the map that Grad-CAM looks at, [B, C, h, w], passes through a module of its own:
    captum takes axis 1 for the channels, and timm's maps have them last.

    Swin: what leaves the last stage. DeiT: the patches that enter the last block with attention, where the class token
    reads them for the last time; later on patches have no gradient.
    """

    def __init__(self, model: Any, family: Family) -> None:
        super().__init__()
        self.map = nn.Identity()
        self._parts = (model, family)  # in a tuple, so that the model does not become a part of this one

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """images [B, channels, H, W] -> logits."""
        model, family = self._parts
        chain = segments(model, family)
        x = embed(model, family, images)
        reads = len(chain) if family == "swin" else _last_attention(model)
        for segment in chain[:reads]:
            x = segment.run({}, x)
        if family == "swin":
            x = self.map(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        else:
            first, patches = x.tensor_split([model.num_prefix_tokens], 1)
            shown = self.map(patches.transpose(1, 2).unflatten(2, model.patch_embed.grid_size))
            x = torch.cat([first, shown.flatten(2).transpose(1, 2)], 1)
        for segment in chain[reads:]:
            x = segment.run({}, x)
        return head(model, x)


def _last_attention(model: Any) -> int:
    """Place of the last block whose attention lets tokens meet."""
    places = [place for place, block in enumerate(model.blocks) if not hasattr(block.attn, "mixer")]
    return places[-1] if places else len(model.blocks) - 1


def _ends(model: nn.Module, info: ModelInfo, image: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """A black image and `image` uint8 [3, H, W], both normalised [1, channels, H, W]."""
    device = next(model.parameters()).device
    black, x = normalised(info, np.stack([np.zeros_like(image), image])).to(device).split(1)
    return black, x


def _patch(model: Any) -> int:
    """Side of a patch in pixels."""
    return int(model.patch_embed.patch_size[0])


def _map(values: torch.Tensor, image: np.ndarray, cells: int | None = None, **numbers: float) -> Attribution:
    """[1, h, w] -> the map [H, W], a token's value at each of its pixels; `cells` where they are not h * w."""
    found = values[0].detach().double().cpu().numpy()
    rows, columns = (size // cells for size, cells in zip(image.shape[1:], found.shape, strict=True))
    return Attribution(found.repeat(rows, axis=0).repeat(columns, axis=1), cells or found.size, **numbers)


_METHODS: dict[str, Callable[[nn.Module, ModelInfo, np.ndarray, int], Steps]] = {
    "integrated-gradients": integrated_gradients,
    "occlusion": occlusion,
    "grad-cam": grad_cam,
    "rollout": rollout,
}
