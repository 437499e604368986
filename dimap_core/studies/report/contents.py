"""What a report tells, as frozen data: nothing in it is a path of this machine.

Next door: `gathering` fills it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ...data import is_drawn
from ...types import Anatomy, Difference, Part
from ..story import Ground, NamedCut, Shown, Told, paired


class Method(Protocol):
    """A whole method's stored result on a bundled model, as `training.comparison` keeps it: (share, low, high) of the
    dense model, and before and after training; shares removed, 0..1."""

    @property
    def model(self) -> str: ...  # noqa: D102
    @property
    def label(self) -> str: ...  # noqa: D102
    @property
    def budget(self) -> float: ...  # noqa: D102
    @property
    def n(self) -> int: ...  # noqa: D102
    @property
    def dense(self) -> tuple[float, float, float]: ...  # noqa: D102
    @property
    def before(self) -> tuple[float, float, float]: ...  # noqa: D102
    @property
    def after(self) -> tuple[float, float, float] | None: ...  # noqa: D102
    @property
    def params_removed(self) -> float: ...  # noqa: D102
    @property
    def macs_removed(self) -> float: ...  # noqa: D102
    @property
    def latency_removed(self) -> float: ...  # noqa: D102
    @property
    def zeros(self) -> bool: ...  # noqa: D102


@dataclass(frozen=True)
class Basis:
    """A model on its images, which some cuts share: what was found of the dense one, what both are called, and how the
    images were chosen. `pixels`: a hash of what was judged ("": nothing was)."""

    ground: Ground
    model: str
    weights: str
    data: str = ""
    pixels: str = ""
    notes: tuple[str, ...] = ()

    @property
    def anatomy(self) -> Anatomy:
        """Of the dense model."""
        return self.ground.anatomy

    @property
    def judged(self) -> bool:
        """Whether there was anything to judge by."""
        return self.ground.estimate is not None

    @property
    def drawn(self) -> bool:
        """Whether the images were drawn pixel by pixel, and are no photographs."""
        return is_drawn(self.data or self.ground.images)

    @property
    def own_images(self) -> bool:
        """Whether a model is judged as it was when it was trained: stored results compare with that alone."""
        return self.judged and not self.data and self.weights != "random"


@dataclass(frozen=True)
class Reported:
    """A cut with its letter and what was found of it; `changed`: images whose answer it changed, lost ones first, each
    with its picture (an address that holds it), and how many there are in all (lost, won, else); `differs`: what a file
    says otherwise."""

    letter: str
    cut: NamedCut
    basis: Basis
    told: Told
    changed: tuple[tuple[Shown, str], ...] = ()
    counted: tuple[int, int, int] = (0, 0, 0)
    differs: tuple[str, ...] = ()

    @property
    def smaller(self) -> bool:
        """Whether structures went, so that the model is really smaller."""
        return self.cut.plan.granularity == "structure"

    @property
    def total(self) -> Part:
        """Counts of the whole model."""
        return self.told.total

    @property
    def drop(self) -> Difference | None:
        """Against the dense model, image by image; None where nothing was judged."""
        return None if self.told.estimate is None else self.told.estimate.drops["joint"]


@dataclass(frozen=True)
class Card:
    """What a directory's card says of its cut: params and MACs before it, and after it; the hash of the model's weights
    where that came as a file."""

    before: tuple[int, int]
    after: tuple[int, int]
    fingerprint: str = ""


@dataclass(frozen=True)
class Made:
    """When, by what and on what a report was made: UTC, versions by name, processor, threads, seconds of work."""

    when: str
    versions: Mapping[str, str]
    processor: str
    threads: int
    seconds: float


@dataclass(frozen=True)
class Report:
    """All of it, cuts in their order."""

    title: str
    cuts: tuple[Reported, ...]
    made: Made
    methods: Sequence[Method] = ()

    @property
    def bases(self) -> tuple[Basis, ...]:
        """Models with their images, in the order in which they come."""
        return tuple({id(one.basis): one.basis for one in self.cuts}.values())

    def of(self, basis: Basis) -> tuple[Reported, ...]:
        """The cuts of a model with its images."""
        return tuple(one for one in self.cuts if one.basis is basis)

    def before(self, reported: Reported) -> tuple[Reported, Difference | None] | None:
        """The cut told before one of the same model, and the paired difference to it where both were judged; None for
        the first."""
        mine = self.of(reported.basis)
        place = mine.index(reported)
        if not place:
            return None
        other, judged = mine[place - 1], reported.basis.judged
        return other, paired(reported.basis.ground, reported.told, other.told) if judged else None
