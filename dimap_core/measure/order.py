"""Whether a model's own answers say that classes stand in another order than the one that was guessed for them.

Next door: `predictions` has the answers, `intervals` the intervals; `pipeline.doubts` says it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.stats import binomtest

from ..types import Proportion
from .intervals import wilson

_MOST_CLASSES = 2000  # the assignment takes 30 ms then
_CHANCE = 0.01  # of exact McNemar's test
_POINTS = 0.1  # of all images that another order has to get more right
_TIMES = 2  # as many of those that it moves


@dataclass(frozen=True)
class Order:
    """Another order of classes. `classes`: by class of the data the one that the answers say it is, int64 [classes];
    `other`, `present`: accuracy in this order and in the one in force, on the half of the images to which it was not
    fitted, of the classes that move."""

    classes: np.ndarray
    other: Proportion
    present: Proportion


def best_order(labels: np.ndarray, answers: np.ndarray, classes: int) -> np.ndarray:
    """The permutation of classes in which most answers are right, int64 [classes]; of equals one near the present.

    `labels`, `answers`: [n], 0..classes-1. An assignment on the confusion matrix (`scipy.optimize`).
    """
    confused = np.zeros((classes, classes))
    np.add.at(confused, (labels, answers), 1)
    # Less than one answer in all, so that it only decides between orders that are equally good.
    confused[np.diag_indices(classes)] += 0.5 / classes
    return linear_sum_assignment(confused, maximize=True)[1].astype(np.int64)


def better_order(labels: np.ndarray, answers: np.ndarray, classes: int) -> Order | None:
    """Another order that explains the answers far better; None where there is none. For arguments see `best_order`.

    The order is fitted to every other image of each class and held against the rest, so that what fits by chance says
    nothing. It has to get 10 points of them more right than the order in force, more than chance would (McNemar's exact
    test at 1 %), and twice as many of those whose class it moves. A model that a cut has broken may answer one class
    for another, which wins a few points; the 10 keep it apart. The order that is told is fitted to all images.
    """
    if not 2 <= classes <= _MOST_CLASSES:
        return None
    mine = _every_other(labels)
    fitted = best_order(labels[mine], answers[mine], classes)
    held, said = labels[~mine], answers[~mine]
    moves = fitted[held] != held
    now, then = (held == said)[moves], (fitted[held] == said)[moves]
    n, won, lost = int(moves.sum()), int((then & ~now).sum()), int((now & ~then).sum())
    if n == 0 or won - lost < _POINTS * len(held) or then.sum() < _TIMES * now.sum():
        return None
    if binomtest(won, won + lost, alternative="greater").pvalue > _CHANCE:
        return None
    return Order(best_order(labels, answers, classes), wilson(int(then.sum()), n), wilson(int(now.sum()), n))


def answered(labels: np.ndarray, answers: np.ndarray, folders: int, outputs: int) -> tuple[np.ndarray, Proportion]:
    """Which output each folder is by a model's answers, int64 [folders], -1 where none is its most frequent answer; and
    how many answers agree, on the half of the images to which that was not fitted.

    `labels`: [n], each image's folder; `answers`: [n], of all outputs. An assignment, at most one folder an output.
    """
    mine = _every_other(labels)
    found = _assigned(labels[mine], answers[mine], folders, outputs)
    held = found[labels[~mine]]
    right = int((held == answers[~mine])[held >= 0].sum())
    return _assigned(labels, answers, folders, outputs), wilson(right, int((held >= 0).sum()))


def _assigned(labels: np.ndarray, answers: np.ndarray, folders: int, outputs: int) -> np.ndarray:
    confused = np.zeros((folders, outputs))
    np.add.at(confused, (labels, answers), 1)
    rows, columns = linear_sum_assignment(confused, maximize=True)
    found = np.full(folders, -1, np.int64)
    most = confused[rows, columns] == confused[rows].max(1)
    found[rows[most & (confused[rows, columns] > 0)]] = columns[most & (confused[rows, columns] > 0)]
    return found


def _every_other(labels: np.ndarray) -> np.ndarray:
    """Boolean [n]: the first image of every class, its third, and so on."""
    order = np.argsort(labels, kind="stable")
    ranked = labels[order]
    within = np.empty(len(labels), np.int64)
    within[order] = np.arange(len(labels)) - np.searchsorted(ranked, ranked)
    return within % 2 == 0
