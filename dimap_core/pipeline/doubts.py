"""What a model's own answers say against the images it is judged by: another order of classes, or no more than chance.

Next door: `data.mapping` guesses the classes of folders, `measure.order` tells whether another order fits better.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..data import LEFT_OUT, stratified_order
from ..measure import better_order, wilson
from ..types import LabelledImages
from .evaluation import knows_dense
from .opened import Opened


@dataclass(frozen=True)
class Doubt:
    """`told`: a sentence; `classes`: by folder the output that the answers say it is, where it is another one."""

    told: str
    classes: dict[str, int] = field(default_factory=dict)


def doubt(opened: Opened, data: LabelledImages, limit: int | None = None) -> Doubt | None:
    """What the dense model's answers say against images that someone chose; None where nothing does, or while they are
    not known on all of them."""
    if opened.chosen is None or opened.chosen.judged is not data or not knows_dense(opened, data, limit):
        return None
    answers = opened.dense[data.name].classes
    labels, count = data.labels[stratified_order(data.labels)][: len(answers)], len(data.class_names)
    rows = [row for row in opened.chosen.facts.rows if row.output != LEFT_OUT and row.files]
    order = better_order(labels, answers, count) if opened.chosen.facts.guessed else None
    if order is not None:
        outputs = [rows[place].output for place in order.classes]
        moved = {row.folder: output for row, output in zip(rows, outputs, strict=True) if output != row.output}
        told = (order.other, order.present)
        other, present = (f"{100 * one.value:.0f} % ({100 * one.low:.0f} to {100 * one.high:.0f})" for one in told)
        return Doubt(
            "Another order of the classes fits the model's answers far better: found on half of the images, it is "
            f"right on {other} of n = {order.other.n:,} others in the {len(moved):,} classes that move, the present "
            f"one on {present}.",
            moved,
        )
    found = wilson(int((labels == answers).sum()), len(labels))
    if found.low > 1 / count:
        return None
    return Doubt(
        f"The unpruned model is right on {100 * found.value:.1f} % of these {found.n:,} images, no more than chance "
        f"would be among {count:,} classes; see whether they are its kind of images, and which class is which."
    )
