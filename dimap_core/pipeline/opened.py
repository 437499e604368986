"""An open model: with its anatomy, and what was computed of it so far.

Next door: `chain` works on it, `models` finds it.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from statistics import median

from torch import Tensor, nn

from ..anatomy import build_anatomy
from ..criteria import Attributions, InputMoments, Statistics
from ..data import ChosenImages
from ..measure import BATCH_SIZE, Predictions, device
from ..models import image_bytes, largest_batch, load_model
from ..types import Anatomy, DataError, ModelInfo, Scores

Progress = tuple[str, int, int]
"""(what is done, steps done, steps in all)"""


SLOWER = 2  # batches after which bf16 is given up where it is slower


@dataclass
class Trial:
    """Images `done` in fp32 and in bf16, predictions that bf16 `changed`, and by batch how many times as fast it was;
    `precision` makes it."""

    done: int = 0
    changed: int = 0
    ratios: list[float] = field(default_factory=list)

    def add(self, full: Predictions, short: Predictions) -> None:
        """One more batch, judged both ways."""
        self.done += len(full.classes)
        self.changed += int((full.classes != short.classes).sum())
        self.ratios.append(full.seconds / max(short.seconds, 1e-9))

    @property
    def fast(self) -> float:
        """How many times as fast bf16 is: the median batch; the first one pays for what is set up once."""
        return median(self.ratios[1:] or self.ratios)

    @property
    def slower(self) -> bool:
        """Whether enough was seen to give bf16 up."""
        return len(self.ratios) > SLOWER and self.fast <= 1


@dataclass
class Opened:
    """A model with its anatomy, and what was computed so far: scores by criterion, granularity, seed and images;
    statistics by what was gathered, images and seed; repaired weights by recipe; dense predictions by data set; batch
    size; whether it is judged in bf16, a note on why, and how far that was tried, by data set; seconds an image takes
    (0: not measured). `chosen`: images it is judged by in place of its own set's, `images` makes such a copy; caches
    are shared."""

    model: nn.Module
    info: ModelInfo
    anatomy: Anatomy
    scores: OrderedDict[tuple[str, str, int, int, str], Scores] = field(default_factory=OrderedDict)
    statistics: OrderedDict[tuple[str, int, int, str], Statistics | Attributions | InputMoments] = field(
        default_factory=OrderedDict
    )
    repaired: OrderedDict[str, dict[str, Tensor]] = field(default_factory=OrderedDict)
    dense: dict[str, Predictions] = field(default_factory=dict)
    sizes: tuple[int, ...] = (BATCH_SIZE,)
    bf16: bool = False
    seconds: float = 0.0
    note: str = ""
    trials: dict[str, Trial] = field(default_factory=dict)
    chosen: ChosenImages | None = None

    @property
    def read(self) -> str:
        """Names the images that criteria and repair read where they are not the model's own training images."""
        return "" if self.chosen is None else self.chosen.name

    @property
    def notice(self) -> str:
        """How images were chosen for it, in sentences for whoever chose them; "" where they are its own set's."""
        return "" if self.chosen is None else " ".join(self.chosen.facts.notes)


def open_model(name: str, weights: str = "pretrained", seed: int = 0, named_only: bool = False) -> Opened:
    """Load a model, as `models.load_model` does, and list its parts."""
    model, info = load_model(name, weights, seed, named_only)
    anatomy = build_anatomy(model, info.family)
    place = device()
    model.to(place)
    most = largest_batch(image_bytes(anatomy)) if place.type == "cpu" else BATCH_SIZE
    return Opened(model, info, anatomy, sizes=(min(BATCH_SIZE, most),))


def check_trained(opened: Opened) -> None:
    """Raise DataError for a model with random weights, whose answers mean nothing."""
    if opened.info.weights == "random":
        raise DataError("Accuracy means nothing on random weights; load a trained model to evaluate it.")
