"""bf16 or fp32: measured on a model's own images, never assumed.

Autocast to bf16 is two to three times as fast where the processor (AMX, AVX512-bf16) or GPU multiplies it, and changes
few predictions, but which ones depends on model and data. So the first images are judged both ways, and bf16 is taken
only if it changed at most `BOUND` of the predictions and was faster. Weights stay fp32 in memory; what is cut and what
it costs do not depend on it. The bundled models are always judged in fp32: their published curves were.
Next door: `evaluation` runs every batch of an opened model in the precision it was given, `timing` says how long it
takes, `streaming` tries it while numbers come in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import cycle

from ..measure import Predictions, concatenate, in_precision, predict, wilson
from ..types import DataError, LabelledImages, Proportion
from . import timing
from .opened import Opened, Trial

CHOICES = ("auto", "fp32", "bf16")
BOUND = 0.005  # share of predictions that bf16 may change
IMAGES = 200  # judged both ways
_FEWEST = 50


@dataclass(frozen=True)
class Precision:
    """What was measured: predictions that bf16 `changed`, and how many times as `fast` it is as fp32 (medians of
    batches)."""

    changed: Proportion
    fast: float

    @property
    def usable(self) -> bool:
        """Whether bf16 is taken."""
        return self.fast > 1 and self.changed.value <= BOUND

    @property
    def sentence(self) -> str:
        """What is taken and why."""
        found = (
            f"bf16 changed {self.changed.correct} of {self.changed.n} predictions (95 % interval "
            f"{100 * self.changed.low:.1f} to {100 * self.changed.high:.1f} %) and is {self.fast:.1f} times as fast"
        )
        if self.usable:
            return f"Judged in bf16: {found}."
        why = "it is not faster" if self.fast <= 1 else f"more than {100 * BOUND:g} % changed"
        return f"Judged in fp32: {found}; {why}."


def measure(
    opened: Opened, data: LabelledImages, images: int = IMAGES, sizes: Iterable[int] = (8,)
) -> Iterator[tuple[int, int, Precision | None]]:
    """Judge the dense model both ways; yields (images done, in all, None) after every batch, what was found with the
    last. Ends early where bf16 is slower. What fp32 answered is kept as the dense model's predictions, and how far it
    is as `Opened.trials`: whoever asks next goes on, also while another one does."""
    total, trial = min(images, len(data)), opened.trials.setdefault(data.name, Trial())
    runs = [in_precision(opened.model, None, bf16) for bf16 in (False, True)]
    for size in cycle(sizes):
        if trial.done < total and not trial.slower:
            batches = (predict(opened.model, opened.info, data, run, total, (size,), trial.done) for run in runs)
            full, short = map(next, batches)
            _keep(opened, data, trial.done, full)
            trial.add(full, short)
        if trial.done >= total or trial.slower:
            yield trial.done, total, Precision(wilson(trial.changed, trial.done), trial.fast)
            return
        yield trial.done, total, None


def _keep(opened: Opened, data: LabelledImages, start: int, full: Predictions) -> None:
    """What fp32 answered from the `start`-th image on is the dense model's, if it is judged so and not known yet."""
    known = opened.dense.get(data.name)
    if not opened.bf16 and start == (0 if known is None else len(known.classes)):
        opened.dense[data.name] = full if known is None else concatenate([known, full])


def reached(opened: Opened, data: LabelledImages) -> int:
    """How many images were judged both ways so far."""
    return opened.trials[data.name].done if data.name in opened.trials else 0


def check_later(opened: Opened) -> bool:
    """Whether bf16 is still to be tried on a model."""
    return not opened.note and opened.info.source != "bundled" and opened.info.weights != "random"


def settle(opened: Opened, found: Precision) -> None:
    """Judge a model from now on in the precision that was found best; what was judged in the other one is forgotten."""
    settle_as(opened, found.sentence, found.usable)


def settle_as(opened: Opened, note: str, bf16: bool) -> None:
    """The same with what was found at another time."""
    opened.note = note
    _use(opened, bf16)


def prepare(
    opened: Opened, data: LabelledImages, wanted: str, limit: int | None = None, runs: int = 1
) -> Iterator[str]:
    """Set the precision that a command judges in, and say how long it will take to judge so many times; yields lines to
    print meanwhile.

    Raises DataError for a `wanted` that is none of CHOICES.
    """
    if wanted not in CHOICES:
        raise DataError(f"'{wanted[:40]}' is no precision; choose one of {', '.join(CHOICES)}.")
    total = min(len(data), limit or len(data))
    _use(opened, wanted == "bf16")
    if not timing.slow(opened, data):
        return
    yield timing.told(runs * total * opened.seconds, runs * total)
    check = share_to_check(total)
    if wanted == "auto" and check and check_later(opened):
        for done, images, found in measure(opened, data, check, timing.batches(opened)):
            yield found.sentence if found else f"comparing bf16 with fp32, {done} of {images} images"
            if found:
                settle(opened, found)


def share_to_check(total: int) -> int:
    """How many of the images to judge are judged both ways: few enough that bf16 can make up for it; 0 where they would
    be too few to say anything."""
    images = min(IMAGES, total // 5)
    return images if images >= _FEWEST else 0


def _use(opened: Opened, bf16: bool) -> None:
    if opened.bf16 != bf16:
        opened.bf16 = bf16
        opened.dense.clear()
