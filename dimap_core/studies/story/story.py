"""A story and what was found of its cuts, as frozen data. No logic but checks.

Next door: `files` and `links` write and read it, `telling` finds, `differences` compares.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ...data import COUNT, check_count
from ...types import AccuracyEstimate, Anatomy, CostReport, Part, PruningPlan, StoryError

CUTS = 9
LETTERS = "ABCDEFGHI"
"""What the cuts of a story are called by their places."""
NAME, NOTE, TITLE = 60, 200, 100  # characters at most


@dataclass(frozen=True)
class Told:
    """What was found of a cut: counts of the whole model and of each (stage, module); of every band of the drawn model
    the share 0..1 that is kept, in the order of `measure.kept_by_band`; its answers as class numbers in evaluation
    order. `estimate` is None and `answers` are empty where there is nothing to judge by."""

    total: Part
    cells: tuple[tuple[int | None, str, Part], ...]
    bands: tuple[float, ...]
    estimate: AccuracyEstimate | None = None
    answers: tuple[int, ...] = ()

    @property
    def cost(self) -> CostReport:
        """The counts as a report without single layers."""
        return CostReport(self.total, {(stage, module): part for stage, module, part in self.cells}, {})


@dataclass(frozen=True)
class Ground:
    """What all cuts of one model on the same images share: the model (`fingerprint` of its dense weights), the images
    (`images`: the set's name, which changes with them; None: none), and how the dense model answers them.

    `numbers` of the images in their set, `labels` and dense `answers` (class numbers), each in evaluation order; by cue
    `cues`, the value of each class, and `cue_names`, what values are called.
    """

    model: str
    fingerprint: str
    anatomy: Anatomy
    images: str | None
    estimate: AccuracyEstimate | None = None
    class_names: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()
    labels: tuple[int, ...] = ()
    answers: tuple[int, ...] = ()
    cues: dict[str, tuple[int, ...]] = field(default_factory=dict)
    cue_names: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Known:
    """What a story's file says was found of a cut, where it was written: by the model of that fingerprint, on images of
    that name."""

    fingerprint: str
    images: str | None
    told: Told


@dataclass(frozen=True)
class NamedCut:
    """A cut in somebody's own words: a `name` of at most 60 characters and a sentence of 200, on one line each.

    `model`, `weights`, `data`, `count`, `draw`, `classes` and `split` name model and images as links do; `known` comes
    from a file. Raises StoryError for what is out of bounds.
    """

    name: str
    model: str
    plan: PruningPlan
    note: str = ""
    weights: str = "pretrained"
    data: str = ""
    count: int = COUNT
    draw: int = 0
    classes: tuple[tuple[str, int], ...] = ()
    split: str = ""
    known: Known | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", line(self.name, NAME, "A cut's name"))
        object.__setattr__(self, "note", line(self.note, NOTE, "A cut's sentence"))
        if self.weights not in ("pretrained", "random"):
            raise StoryError("Weights of a story's model are 'pretrained' or 'random'.")
        check_count(self.count, self.draw)


@dataclass(frozen=True)
class Story:
    """At most nine cuts in the order in which they are told; what all of it shows, as its `title`."""

    cuts: tuple[NamedCut, ...] = ()
    title: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "title", line(self.title, TITLE, "A story's title"))
        if len(self.cuts) > CUTS:
            raise StoryError(f"A story has at most {CUTS} cuts, not {len(self.cuts)}; take some out.")


def line(text: str, most: int, what: str) -> str:
    """The text on one line without control characters; raises StoryError where it is longer than `most` signs."""
    plain = "".join(sign if sign.isprintable() else " " for sign in text)
    plain = " ".join(plain.split())
    if len(plain) > most:
        raise StoryError(f"{what} has at most {most} characters, not {len(plain)}; shorten it.")
    return plain
