"""One training loop on accelerate: recovery, the searches and the bundled checkpoints all go through it.

AdamW, warm-up and cosine, label smoothing, mixup and cutmix, an average of weights, distillation from a teacher,
weights held at zero. It runs on one process or, under `accelerate launch`, on several, each with its share of every
batch. After a stop it goes on from what `save` left: every weight, moment and random number is restored bit by bit, the
images come in the same order; kernels promise the same sums to rounding only, so the result may differ by as much.
Next door: `settings` says how, `augment` moves images; `recipes` and `recovery` use it.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator, DataLoaderConfiguration, PartialState, skip_first_batches
from accelerate.utils import broadcast_object_list, set_seed
from timm.data import Mixup
from timm.utils import ModelEmaV3
from torch import nn
from torch.utils.data import DataLoader, Dataset, Sampler

from ..data import restricted
from ..types import InvalidPlan, LabelledImages
from .augment import AUGMENTS
from .losses import cue_loss, distillation
from .optimizers import optimizer_of, schedule_of
from .settings import Settings, checked

_TIMED = 3  # steps that are timed where seconds are given


@dataclass(frozen=True)
class Step:
    """One step done of `steps`: its loss, how many seconds are left at the speed so far, and how many it took."""

    step: int
    steps: int
    loss: float
    seconds_left: float
    took: float


def processes() -> PartialState:
    """Which of how many processes this is; several CPU processes need to be told that they are."""
    return PartialState(cpu=not torch.cuda.is_available())


class Training:
    """A model being trained; `run` yields after every step, `result` gives the trained model.

    Args:
        model: trained in place, fp32.
        data: training images, uint8, and labels.
        mean, std: per channel on a 0..1 scale, as in `ModelInfo`.
        teacher: model to distil from, where the settings say so; used in evaluation mode.
        held: parameter name -> boolean mask; weights where it is False stay zero.
        extra_loss: called once a step, what it returns is added to the loss.
        extra_groups: AdamW parameter groups, each with its own peak "lr": some of the model's parameters, or others
            that are learned beside them; to save and load the values of those is the caller's part.

    `before_update`, if set, is called with the model in every step, when its gradients are there (means over all
    processes) and neither clipped nor used.
    """

    def __init__(
        self,
        model: nn.Module,
        data: LabelledImages,
        settings: Settings,
        mean: Iterable[float] = (0.5, 0.5, 0.5),
        std: Iterable[float] = (0.5, 0.5, 0.5),
        teacher: nn.Module | None = None,
        held: Mapping[str, torch.Tensor] | None = None,
        extra_loss: Callable[[], torch.Tensor] | None = None,
        extra_groups: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self.settings, self.data = checked(settings, len(data)), data
        if settings.distill != "none" and teacher is None:
            raise InvalidPlan("Distillation needs the dense model as its teacher; train without it.")
        set_seed(settings.seed)
        # Several processes leave out what does not fill a last batch: accelerate would give it to the first of them.
        alone, size = processes().num_processes == 1, min(settings.batch_size, len(data))
        shared = DataLoaderConfiguration(split_batches=True)
        on_cpu = not torch.cuda.is_available()
        self.accelerator = Accelerator(cpu=on_cpu, mixed_precision=settings.precision, dataloader_config=shared)
        loader = DataLoader(_Images(data), size, sampler=_Shuffled(len(data)), drop_last=not alone, collate_fn=_whole)
        self.bare, self.extra_loss, self.extra_groups = model, extra_loss, extra_groups
        apart = {id(parameter) for group in extra_groups for parameter in group["params"]}
        rest = [parameter for parameter in model.parameters() if id(parameter) not in apart]
        optimizer = optimizer_of(model, rest, extra_groups, settings)
        self.model, self.optimizer, self.loader = self.accelerator.prepare(model, optimizer, loader)
        device = self.accelerator.device
        self.teacher = None if teacher is None else teacher.to(device).eval()
        self.held: dict[str, torch.Tensor] = {}
        self.hold(held or {})
        self.before_update: Callable[[nn.Module], None] | None = None
        self.average = ModelEmaV3(model, settings.ema, use_warmup=True) if settings.ema else None
        self.mean, self.std = (torch.tensor(tuple(values)).view(1, -1, 1, 1) for values in (mean, std))
        self.mixing = _mixing(settings, len(data.class_names))
        self.step, self.spent, self._epoch_began = 0, 0.0, torch.get_rng_state()
        self.steps = self._count_steps()
        self.schedule = self.accelerator.prepare(schedule_of(optimizer, settings, self.steps))
        self.accelerator.register_for_checkpointing(_Progress(self))

    def run(self) -> Iterator[Step]:
        """Train to the end, from where it is; close it to stop after the step under way."""
        self.model.train()
        with _plain_attention(self.bare):
            while self.step < self.steps:
                for images, labels in self._epoch():
                    began = time.perf_counter()
                    loss = self._loss(images, labels)
                    self.accelerator.backward(loss)
                    self._update()
                    self.step += 1
                    took = time.perf_counter() - began
                    self.spent += took
                    left = self.spent / self.step * (self.steps - self.step)
                    yield Step(self.step, self.steps, loss.item(), left, took)
                    if self.step == self.steps:
                        break

    def hold(self, held: Mapping[str, torch.Tensor]) -> None:
        """From the next update on, weights where these masks (by parameter name, True = kept) are False stay zero."""
        self.held |= {name: mask.to(self.accelerator.device) for name, mask in held.items()}

    def result(self) -> nn.Module:
        """The trained model (its average, where one is kept) in evaluation mode, on the CPU, fp32."""
        if self.average is not None:
            self.bare.load_state_dict(self.average.module.state_dict())
        model = self.accelerator.unwrap_model(self.model, keep_fp32_wrapper=False)
        model.__dict__.pop("_is_accelerate_prepared", None)  # else a next training would run without autocast
        return model.cpu().eval()

    def save(self, folder: Path) -> None:
        """Leave all that `load` needs to go on from here; raises OSError where that cannot be written."""
        try:
            self.accelerator.save_state(str(folder))
        except RuntimeError as error:  # what torch.save makes of a disk that takes no more
            raise OSError(errno.EIO, "writing failed") from error

    def load(self, folder: Path) -> None:
        """Go on from what `save` left; the settings, model and images have to be the same."""
        self.accelerator.load_state(str(folder))

    def _epoch(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Batches of one pass over the images; those of it that were seen before a stop are left out."""
        seen = self.step % len(self.loader)
        if not seen:
            self._epoch_began = torch.get_rng_state()
            yield from self.loader
            return
        now = torch.get_rng_state()
        torch.set_rng_state(self._epoch_began)  # the same order of images as before the stop
        batches = iter(skip_first_batches(self.loader, seen))
        first = next(batches)
        torch.set_rng_state(now)
        yield first
        yield from batches

    def _loss(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        device = self.accelerator.device
        moved = AUGMENTS[self.settings.augment](images[:, : self.mean.shape[1]].float().cpu().div(255))
        inputs = ((moved - self.mean) / self.std).to(device)
        targets = labels
        if self.mixing is not None and len(inputs) > 1 and self.step < self.settings.mixed_until * self.steps:
            even = len(inputs) // 2 * 2  # it pairs each image with another
            inputs, targets = self.mixing(inputs[:even], labels[:even])
        logits = restricted(self.model(inputs), self.data.outputs)
        loss = cue_loss(logits, targets, self.data.cues, self.settings.smoothing)
        if self.teacher is not None and self.settings.distill != "none":
            with torch.no_grad(), self.accelerator.autocast():
                taught = restricted(self.teacher(inputs), self.data.outputs)
            told = distillation(logits, taught, self.settings.distill, self.settings.temperature)
            loss = (1 - self.settings.share) * loss + self.settings.share * told
        return loss if self.extra_loss is None else loss + self.extra_loss()

    def _update(self) -> None:
        if self.before_update is not None:
            self.before_update(self.bare)
        self.accelerator.clip_grad_norm_(self.model.parameters(), self.settings.clip)
        for parameter in (found for group in self.extra_groups for found in group["params"]):
            if parameter.grad is not None:  # the model's own are averaged over all processes already
                parameter.grad = self.accelerator.reduce(parameter.grad, reduction="mean")
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad()
        with torch.no_grad():
            for name, mask in self.held.items():
                self.bare.get_parameter(name).mul_(mask)
        if self.average is not None:
            self.average.update(self.bare, self.step)

    def _count_steps(self) -> int:
        """Steps in all; where seconds are given, a few are tried out without effect and timed."""
        if self.settings.seconds is None:
            return max(1, round(self.settings.epochs * len(self.loader)))
        state = torch.get_rng_state()
        self.model.train()
        with _plain_attention(self.bare):
            images, labels = next(iter(self.loader))
            times = []
            for _ in range(_TIMED):
                began = time.perf_counter()
                self.accelerator.backward(self._loss(images, labels))
                self.optimizer.zero_grad()
                times.append(time.perf_counter() - began)
        torch.set_rng_state(state)
        counted = [max(1, int(self.settings.seconds / min(times)))]
        return int(broadcast_object_list(counted)[0])  # all processes take as many


class _Images(Dataset[Any]):
    """Batches of images and labels; images that are decoded as they are read are asked for together."""

    def __init__(self, data: LabelledImages) -> None:
        self.data = data

    def __len__(self) -> int:
        return len(self.data)

    def __getitems__(self, places: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        chosen = np.asarray(places)
        return torch.from_numpy(self.data.images[chosen]), torch.from_numpy(self.data.labels[chosen])


def _whole(batch: Any) -> Any:
    """A batch that comes as one needs no collating."""
    return batch


class _Shuffled(Sampler[int]):
    """A new order of all images for every epoch, the same in all processes: torch's own is drawn anew in each."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[int]:
        drawn = torch.Generator().manual_seed(int(torch.empty((), dtype=torch.int64).random_().item()))
        yield from torch.randperm(self.count, generator=drawn).tolist()


class _Progress:
    """What accelerate saves and loads beside model, optimizer, schedule and random numbers."""

    def __init__(self, training: Training) -> None:
        self.training = training

    def state_dict(self) -> dict[str, Any]:
        average = self.training.average
        return {
            "step": self.training.step, "spent": self.training.spent, "epoch_began": self.training._epoch_began,
            "average": None if average is None else average.module.state_dict(),
        }  # fmt: skip

    def load_state_dict(self, state: dict[str, Any]) -> None:
        training = self.training
        training.step, training.spent, training._epoch_began = state["step"], state["spent"], state["epoch_began"]
        if training.average is not None:
            training.average.module.load_state_dict(state["average"])


def _mixing(settings: Settings, classes: int) -> Mixup | None:
    if not settings.mixup and not settings.cutmix:
        return None
    return Mixup(settings.mixup, settings.cutmix, prob=settings.mixed, label_smoothing=0.0, num_classes=classes)


@contextmanager
def _plain_attention(model: nn.Module) -> Iterator[None]:
    """On a CPU fused attention is slower under bf16 autocast than what it replaces."""
    fused = [module for module in model.modules() if getattr(module, "fused_attn", False)]
    if torch.cuda.is_available():
        fused = []
    for module in fused:
        module.fused_attn = False  # type: ignore[assignment]
    try:
        yield
    finally:
        for module in fused:
            module.fused_attn = True  # type: ignore[assignment]
