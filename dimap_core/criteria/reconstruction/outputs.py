"""What a model's answer feels of its layers' outputs, from a few training images without labels.

Of every image one answer y is drawn from what the model itself holds possible, softmax(logits / T), and one backward
pass takes g, the gradient of log p(y) at a layer's output, token by token. E[g g^T], summed over an image's tokens, is
the Fisher information of that output (T = 1; T = 2 lets a model that is too sure of itself feel more than its first
answer): half of tr(E[g g^T] E[e e^T]) foretells the divergence, in nats, that an error e of the output makes.
Q/K dimensions have no output of their own: their curve's scale is measured, see `qk_scale`.
The model stays as it is; no gradient of a weight is taken.
Next door: `moments` has what needs no backward pass; `weighed` ranks by what is gathered here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.func import functional_call

from ...anatomy import Watch, evaluating, has_groups, plain_tensor, tensors
from ...data import normalised, restricted, unlabelled_subset
from ...types import Anatomy, LabelledImages, ModelInfo
from ..evidence import not_finite
from .moments import InputMoments
from .qk_scale import Measuring, measured_images

TEMPERATURE = 2.0
_PIXELS = 4 * 224**2  # what one backward pass sees


@dataclass(frozen=True)
class OutputFisher(InputMoments):
    """By layer that units leave (proj, fc2) `outputs`, E over images of the sum over tokens of g g^T, float32 [out,
    out]; by prunable layer `diagonals`, the same on the diagonal, float64 [out]; by block `qk`, nats that one unit of
    its Q/K curve costs."""

    outputs: Mapping[str, np.ndarray]
    diagonals: Mapping[str, np.ndarray]
    qk: Mapping[str, float]

    def arrays(self) -> Iterator[np.ndarray]:
        """Every array."""
        yield from super().arrays()
        yield from self.outputs.values()
        yield from self.diagonals.values()
        yield np.array(list(self.qk.values()))


def feel(
    model: nn.Module,
    info: ModelInfo,
    data: LabelledImages,
    anatomy: Anatomy,
    images: int = 256,
    batch: int = 32,
    seed: int = 0,
) -> Iterator[tuple[int, int, OutputFisher | None]]:
    """Yield (images done, images in all, None) after every batch, the OutputFisher with the last; images that Q/K
    curves are measured on count twice. Close it to cancel. Raises DataError as `statistics.collect` does."""
    chosen = unlabelled_subset(info, data, images, seed)
    again = chosen[: measured_images(anatomy)] if has_groups(anatomy) else chosen[:0]
    total, size = len(chosen) + len(again), max(1, min(batch, _PIXELS // info.input_size**2))
    draws = np.random.default_rng(seed).random(len(chosen))
    sums = _Sums(model, info, anatomy, data.outputs)
    for start in range(0, len(chosen), size):
        part = chosen[start : start + size]
        sums.run(data.images[part], draws[start : start + size])
        if start + len(part) < total:
            yield start + len(part), total, None
    measuring = Measuring(model, info, anatomy, sums.watch.logits(), data.outputs)
    for start in range(0, len(again), size):
        part = again[start : start + size]
        measuring.run(data.images[part])
        if start + len(part) < len(again):
            yield len(chosen) + start + len(part), total, None
    yield total, total, sums.result(data.name, len(chosen), seed, measuring.scales())


class _Sums:
    """Running sums of the passes."""

    def __init__(self, model: nn.Module, info: ModelInfo, anatomy: Anatomy, outputs: np.ndarray | None) -> None:
        self.model, self.info, self.anatomy, self.outputs = model, info, anatomy, outputs
        self.watch = Watch(anatomy)
        self.whole = {f"{block.name}.{part}" for block in anatomy.blocks for part in ("attn.proj", "mlp.fc2")}
        with torch.inference_mode(False):
            self.weights = {name: plain_tensor(value) for name, value in tensors(model)}
        self.squares: dict[str, torch.Tensor] = {}

    def run(self, images: np.ndarray, draws: np.ndarray) -> None:
        """One forward and one backward pass; `draws` [images] in 0..1 choose the answers."""
        first = next(iter(self.weights.values()))
        with torch.inference_mode(False), torch.enable_grad(), evaluating(self.model), self._on():
            pixels = normalised(self.info, images).to(first).requires_grad_()
            logits = restricted(functional_call(self.model, self.weights, (pixels,)), self.outputs)
            if not torch.isfinite(logits).all():
                raise not_finite(self.info)
            answers = drawn(logits.detach(), draws)
            torch.autograd.grad(logits.log_softmax(-1).gather(1, answers[:, None]).sum(), pixels)

    @contextmanager
    def _on(self) -> Iterator[None]:
        """Hooks that count inputs, and gradients of outputs, for as long as the pass takes."""
        with ExitStack() as stack:
            stack.enter_context(self.watch.on(self.model))
            for layer in self.anatomy.prunable:
                hook = self.model.get_submodule(layer.name).register_forward_hook(self._see(layer.name))
                stack.callback(hook.remove)
            yield

    def _see(self, name: str) -> Callable[..., None]:
        def add(gradient: torch.Tensor) -> None:
            g = gradient.detach().flatten(0, -2)
            new = (g.T @ g if name in self.whole else g.square().sum(0)).double()
            self.squares[name] = self.squares.get(name, 0) + new

        def see(_: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
            output.register_hook(add)

        return see

    def result(self, data: str, images: int, seed: int, qk: Mapping[str, float]) -> OutputFisher:
        """Sums as means over images."""
        means = {name: (total / images).cpu().numpy() for name, total in self.squares.items()}
        return OutputFisher(
            data, images, seed, self.watch.inputs(), self.watch.logits(),
            outputs={name: mean.astype(np.float32) for name, mean in means.items() if mean.ndim == 2},
            diagonals={name: mean.diagonal().copy() if mean.ndim == 2 else mean for name, mean in means.items()},
            qk=qk,
        ).checked(self.info)  # fmt: skip


def drawn(logits: torch.Tensor, draws: np.ndarray) -> torch.Tensor:
    """One class of each row of softmax(logits / TEMPERATURE), chosen by `draws` in 0..1."""
    shares = (logits.double() / TEMPERATURE).softmax(-1).cumsum(-1)
    wanted = torch.from_numpy(draws).to(shares.device)[:, None] * shares[:, -1:]
    return (shares <= wanted).sum(-1).clamp(max=logits.shape[1] - 1)
