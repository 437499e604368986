"""Which images a model that is open is judged by, and which ones criteria, repair and sensitivity read.

Next door: `pipeline` judges, `images` gives a model other images than its own.
"""

from __future__ import annotations

from typing import Protocol

from .data import load_data
from .data.chosen import Chosen
from .errors import DataError
from .types import LabelledImages, ModelInfo


class Opened(Protocol):
    """What is needed of a `pipeline.Opened` here."""

    info: ModelInfo
    chosen: Chosen | None


def default_data(opened: Opened, name: str | None = None) -> LabelledImages:
    """The images chosen for the model, else the named set's validation split, else that of the set it was trained on.

    Raises DataError where there is none, and where `name` means chosen images that have changed since.
    """
    if opened.chosen is not None:
        _check_listed(opened.chosen, name)
        return opened.chosen.to_judge()
    wanted = name or opened.info.data
    if wanted is None:
        raise DataError(f"'{opened.info.name}' comes without a data set; name one with --data.")
    return load_data(wanted)


def training_data(opened: Opened, name: str | None = None) -> LabelledImages:
    """The images that statistics, repair and sensitivity read, none of which judges.

    Raises DataError where there are none, and where `name` means chosen images that have changed since.
    """
    if opened.chosen is not None:
        _check_listed(opened.chosen, name)
        return opened.chosen.to_read()
    if opened.info.data is None:
        raise DataError(
            f"No training images are known for '{opened.info.name}'; choose a criterion that reads weights only, no "
            "repair, or images of your own to judge it by."
        )
    return load_data(opened.info.data, "train")


def _check_listed(chosen: Chosen, name: str | None) -> None:
    if name not in (None, chosen.name):
        raise DataError(f"The images of '{chosen.facts.title}' have changed since they were listed; choose them again.")
