"""Which images a model that is open is judged by, and which ones criteria, repair and sensitivity read: its own set's,
or a folder, a zip or a known set that someone chose.

Next door: `data` finds the images, `evaluation` judges by them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..data import ChosenImages, ClassFile, ImageSource, choose, image_set, load_data, shown
from ..types import DataError, LabelledImages
from .folders import answers_to, by_answers
from .opened import Opened, Progress


def default_data(opened: Opened, name: str | None = None) -> LabelledImages:
    """The images chosen for the model, else the named set's validation split, else that of the set it was trained on.

    Raises DataError where there is none, and where `name` means chosen images that have changed since.
    """
    if opened.chosen is not None:
        _check_listed(opened.chosen, name)
        return opened.chosen.to_judge()
    wanted = name or opened.info.data
    if wanted is None and not opened.model.num_classes:
        raise DataError(f"'{opened.info.name}' has no classifier, so its accuracy cannot be judged; counts need none.")
    if wanted is None:
        raise DataError(f"'{opened.info.name}' comes without images; choose a set, a folder or a zip to judge it by.")
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


def _check_listed(chosen: ChosenImages, name: str | None) -> None:
    if name not in (None, chosen.name):
        raise DataError(f"The images of '{chosen.facts.title}' have changed since they were listed; choose them again.")


def judged_by(opened: Opened, source: ImageSource) -> Iterator[tuple[Progress, Opened | None]]:
    """Yield (progress, None), at last the same model judged by those images; raises DataError where there are none."""
    for done, total, chosen in choose(source, opened.model, opened.info):
        if chosen is not None and chosen.unknown and not source.classes:
            for asked, of, answers in by_answers(source, opened.model, opened.info, len(chosen.facts.rows)):
                yield (f"Asking the model which folder is which, {asked:,} of {of:,}", asked, of), None
                if answers is not None:
                    *_, (_, _, chosen) = choose(source, opened.model, opened.info, answers)
        if chosen is not None and chosen.facts.agreement and chosen.judged is not None:
            labels = chosen.judged.labels
            for asked, of, labels in answers_to(chosen.judged, opened.model, opened.info):  # noqa: B007
                yield (f"Asking the dense model, {asked:,} of {of:,}", asked, of), None
            chosen = replace(chosen, judged=replace(chosen.judged, labels=labels))
        found = None if chosen is None else _copy(opened, chosen)
        yield (f"Looking at the images, {done:,} of {total:,}", done, total), found


def _copy(opened: Opened, chosen: ChosenImages) -> Opened:
    """The model under another data set's name; it shares weights and caches with the original."""
    info = replace(opened.info, data=None if chosen.judged is None else chosen.name)
    return replace(opened, info=info, chosen=chosen, sizes=opened.sizes)


def judged_by_name(
    opened: Opened, data: str | None, limit: int | None = None, split: str = "", classes: ClassFile | None = None
) -> tuple[Opened, LabelledImages]:
    """The model judged by what --data names, and the images; `Opened.notice` then says how they were chosen.

    `split`: which of several is judged; `classes`: what its outputs are called, or which folder is which. Raises
    DataError for either where no images are chosen, and for names that are not as many as the outputs.
    """
    known = image_set(data)
    if data is None or data == opened.info.data or (opened.info.data and known and known.load):
        if split or classes:
            raise DataError("--split and --classes speak of images that are chosen; name them by --data folder:PATH.")
        return opened, default_data(opened, data)
    opened, pairs = opened if classes is None else _named(opened, classes), classes.pairs if classes else ()
    for _, found in judged_by(opened, ImageSource(data, limit or 0, 0, pairs, split=split)):
        opened = found or opened
    return opened, default_data(opened)


def _named(opened: Opened, classes: ClassFile) -> Opened:
    """The model with those names of its outputs."""
    outputs: int = opened.model.num_classes  # type: ignore[assignment]
    if classes.names and len(classes.names) != outputs:
        raise DataError(
            f"--classes has {len(classes.names):,} lines, the model {outputs:,} outputs; write one class name a line "
            "for each output, or rows of folder,output."
        )
    names = tuple(shown(name) for name in classes.names) or opened.info.class_names
    return replace(opened, info=replace(opened.info, class_names=names))
