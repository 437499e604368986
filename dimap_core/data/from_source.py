"""From a source of images to data a model can be judged by: tree, mapping, subset and the model's own transform.

Next door: `subset` draws the files, `mapping` finds their classes, `decode` makes pixels of them when they are asked
for; `images` gives the result to a model that is open.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from timm.data import create_transform, resolve_data_config
from torch import nn

from ..types import AGREEMENT, DataError, LabelledImages, ModelInfo
from . import sets, subset
from .decode import Decoded, Transform
from .image_file import LISTED, READING, Unreadable, picture
from .mapping import Heads, Matched, heads, match, short_names
from .places import UNLABELLED, Place, place_at
from .registry import DATASETS, image_set
from .sources import FOLDER, LEFT_OUT, ZIP, ImageSource

Answered = tuple[Mapping[str, int], str]
"""(folder -> output as a model's own answers say it, a sentence on how)"""


@dataclass(frozen=True)
class ClassRow:
    """A folder of the data as the mapping shows it; `output` is `LEFT_OUT` where it is not judged."""

    folder: str
    files: int
    output: int


@dataclass(frozen=True)
class Facts:
    """What is told of chosen images. `notes`: sentences on what was judged among, drawn and left out; `rows`: the
    mapping; `outputs`: what the model calls its outputs; `classes`: how many are judged; `training`: images left to
    read; `guessed`: whether classes were found by numbers or order, not by names; `splits`: those that can be judged,
    the one that is first, empty where there is no choice; `agreement`: see `types.is_agreement`."""

    title: str
    notes: tuple[str, ...]
    rows: tuple[ClassRow, ...]
    outputs: tuple[str, ...]
    classes: int
    images: int
    training: int
    guessed: bool
    splits: tuple[str, ...] = ()
    agreement: bool = False

    def as_json(self) -> dict[str, Any]:
        """For the app."""
        return asdict(self)


@dataclass(frozen=True)
class ChosenImages:
    """Images to judge by, images to read statistics from, and what is told of them. `judged` is None where no two
    folders were recognised as classes of the model."""

    name: str
    judged: LabelledImages | None
    trained: LabelledImages | None
    facts: Facts

    @property
    def unknown(self) -> bool:
        """Whether nothing tells which folder is which, the model's outputs having no names either."""
        return self.judged is None and not any(self.facts.outputs)

    def to_judge(self) -> LabelledImages:
        """`judged`; raises DataError where there is none."""
        if self.judged is None:
            named = (
                f"name the folders of '{self.facts.title}' as the model's classes, or "
                if any(self.facts.outputs)
                else ""
            )
            way = f"{named}say which is which under Folders and classes or by --classes FILE (rows of folder,output)."
            raise DataError(f"{self.facts.notes[0]} {way[0].upper()}{way[1:]}")
        return self.judged

    def to_read(self) -> LabelledImages:
        """`trained`; raises DataError where nothing is left for it."""
        self.to_judge()
        if self.facts.agreement:
            raise DataError(
                f"'{self.facts.title}' has no labels, and what is read besides judging needs them; choose a criterion "
                "that reads weights only, no repair, or images in a sub-folder a class."
            )
        if self.trained is None:
            raise DataError(
                f"All {self.facts.images:,} images of '{self.facts.title}' are judged, so none are left to read; judge "
                "fewer, or give a folder with train/ and val/."
            )
        return self.trained


def transform_of(model: Any, info: ModelInfo) -> tuple[Transform, dict[str, Any]]:
    """timm's own evaluation transform of a model, up to uint8, and the settings that name it. For a model of grey
    images they are made grey first, as timm does, and three equal channels of it are kept."""
    config = resolve_data_config({}, model=model)
    config |= {"input_size": (3, info.input_size, info.input_size)}
    config |= {key: getattr(info, key) for key in ("mean", "std", "crop_pct", "crop_mode", "interpolation")}
    made = create_transform(**config, normalize=False)

    def pixels(picture: Image.Image) -> np.ndarray:
        return made(picture if info.channels == 3 else picture.convert("L").convert("RGB")).numpy()

    return pixels, config


def one_image(content: bytes, model: Any, info: ModelInfo) -> np.ndarray:
    """A single image file as the model takes it, uint8 [3, H, W]; raises DataError for one that is none."""
    try:
        return transform_of(model, info)[0](picture(io.BytesIO(content), len(content)))
    except Unreadable as error:
        raise DataError(f"The image could not be read ({error}); bring a whole {LISTED} file.") from error


def choose(
    source: ImageSource, model: nn.Module, info: ModelInfo, answered: Answered | None = None
) -> Iterator[tuple[int, int, ChosenImages | None]]:
    """Yield (files looked at, of how many, None), at last the images; raises DataError where there are none.

    `answered`: what the model's own answers say, used where nothing else tells.
    """
    if not _outputs(model):
        raise DataError(
            f"'{info.name}' has no classifier, so no images can judge it; its counts and cuts need "
            "none, accuracy needs a file with one."
        )
    found, title = tree_of(source)
    place, names = found.place, list(found.judged.folders)
    outputs = heads(_outputs(model), info.class_names)
    if not place.labelled:
        yield from _unlabelled(source, found, title, model, info, outputs)
        return
    matched = match(names, outputs, dict(source.classes), place.order)
    if answered is not None and not any(output != LEFT_OUT for output in matched.outputs.values()):
        matched = Matched({name: answered[0].get(name, LEFT_OUT) for name in names}, answered[1])
    files = [subset.files_of(place, found.judged.folders[name]) for name in names]
    rows = tuple(ClassRow(name, len(mine), matched.outputs[name]) for name, mine in zip(names, files, strict=True))
    if not any(files):
        raise DataError(f"'{title}' holds no images; put {LISTED} files in a sub-folder a class.")
    usable = [place for place, row in enumerate(rows) if row.output != LEFT_OUT and row.files]
    drawn = subset.Drawn()
    if len(usable) > 1:
        for done, total, drawing in subset.draw(place, [files[place] for place in usable], source.count, source.seed):
            if drawing is None:
                yield done, total, None
            else:
                drawn = drawing
    yield 1, 1, _assembled(source, found, title, model, info, outputs, matched, rows, usable, drawn)


def sampled(source: ImageSource, model: nn.Module, info: ModelInfo, each: int) -> LabelledImages:
    """At most `each` images of every folder, whatever its class; `labels` and `class_names` are the folders'."""
    found, title = tree_of(source)
    names = list(found.judged.folders)
    files = [subset.files_of(found.place, found.judged.folders[name]) for name in names]
    *_, (_, _, drawn) = subset.draw(found.place, [mine[:each] for mine in files], 0, source.seed)
    assert drawn is not None
    images = Decoded(found.place, drawn.files, drawn.spares, transform_of(model, info)[0], info.input_size)
    return LabelledImages(title, images, drawn.labels, tuple(names))


def _outputs(model: Any) -> int:
    return int(model.num_classes)


def tree_of(source: ImageSource) -> tuple[subset.Tree, str]:
    """The splits and classes that a source names, and what it is called."""
    place, title = _place(source)
    if not place.labelled:
        return subset.Tree(place, subset.Classes({UNLABELLED: UNLABELLED}), None), title
    return subset.tree(place, title, source.split), title


def _place(source: ImageSource) -> tuple[Place, str]:
    """The place that a source names, and what it is called."""
    for prefix in (FOLDER, ZIP):
        if source.source.startswith(prefix):
            path = Path(source.source.removeprefix(prefix))
            title = subset.shown(source.title or path.name)[:80] or str(path)
            return place_at(path, title, prefix == ZIP), title
    known = image_set(source.source)
    if known is None:
        keys = ", ".join(row.key for row in DATASETS)
        raise DataError(
            f"There is no data set '{source.source[:80]}'; choose one of {keys}, or write folder:PATH or zip:PATH."
        )
    return sets.place(known), known.label


def _assembled(
    source: ImageSource, found: subset.Tree, title: str, model: nn.Module, info: ModelInfo, outputs: Heads,
    matched: Matched, rows: tuple[ClassRow, ...], usable: Sequence[int], drawn: subset.Drawn,
) -> ChosenImages:  # fmt: skip
    """The images of what was drawn, with all that is told of them."""
    transform, config = transform_of(model, info)
    place = found.place
    judged_rows = [rows[number] for number in usable]
    targets = np.array([row.output for row in judged_rows], np.int64)
    folders = [row.folder for row in judged_rows]
    trained = _left(found, folders, drawn, source.seed) if drawn.files else subset.Drawn()
    stamps = [(file, *place.stamp(file)) for file in drawn.files]
    what = (READING, source.source, stamps, trained.files, folders, targets.tolist(), config, source.seed)
    name = _name(title, *what)
    classes = short_names(outputs, targets.tolist(), folders)
    whole = np.array_equal(targets, np.arange(outputs.count))

    def labelled(some: subset.Drawn) -> LabelledImages | None:
        if not some.files:
            return None
        images = Decoded(place, some.files, some.spares, transform, info.input_size)
        return LabelledImages(name, images, some.labels, classes, outputs=None if whole else targets)

    notes = _notes(found, matched, judged_rows, rows, outputs, drawn, trained)
    names = outputs.names
    counts = len(usable), len(drawn.files), len(trained.files)
    facts = Facts(title, notes, rows, names, *counts, matched.guessed, found.splits)
    return ChosenImages(name, labelled(drawn), labelled(trained), facts)


def _unlabelled(
    source: ImageSource, found: subset.Tree, title: str, model: nn.Module, info: ModelInfo, outputs: Heads
) -> Iterator[tuple[int, int, ChosenImages | None]]:
    """The steps of `choose` for images without labels: zeros, until the dense model's answers take their place."""
    files, drawn = [subset.files_of(found.place, UNLABELLED)], subset.Drawn()
    for done, total, drawing in subset.draw(found.place, files, source.count, source.seed):
        drawn = drawing or drawn
        yield done, total, None
    if not drawn.files:
        raise DataError(f"None of the images of '{title}' could be read; give {LISTED} files.")
    transform, config = transform_of(model, info)
    stamps = [(file, *found.place.stamp(file)) for file in drawn.files]
    name = f"{AGREEMENT}{_name(title, READING, source.source, stamps, config, source.seed, info.fingerprint)}"
    named = (known.split(",")[0].strip() for known in outputs.names)
    classes = tuple(known or f"output {number}" for number, known in enumerate(named))
    images = Decoded(found.place, drawn.files, drawn.spares, transform, info.input_size)
    notes = (
        f"Judged on {len(drawn.files):,} images without labels: agreement with the dense model, not accuracy; right "
        "means the dense model's own answer.",
        *subset.told(drawn, found.place),
    )
    facts = Facts(title, notes, (), outputs.names, outputs.count, len(drawn.files), 0, False, agreement=True)
    yield 1, 1, ChosenImages(name, LabelledImages(name, images, drawn.labels, classes), None, facts)


def _name(title: str, *what: object) -> str:
    """A set's name, which changes with what it is made of."""
    readable = re.sub(r"[^A-Za-z0-9]+", "-", title).strip("-")[:24] or "images"
    return f"{readable}-{subset.content_id(*what)}"


def _left(found: subset.Tree, folders: Sequence[str], drawn: subset.Drawn, seed: int) -> subset.Drawn:
    """Training images of the same classes: the tree's own training split, else what was not drawn to be judged."""
    if found.trained is None:
        return subset.training(subset.not_judged(drawn), seed)
    mine = found.trained.folders
    files = [subset.files_of(found.place, mine[name]) if name in mine else [] for name in folders]
    return subset.training(files, seed)


def _notes(
    found: subset.Tree, matched: Matched, judged: Sequence[ClassRow], rows: Sequence[ClassRow], outputs: Heads,
    drawn: subset.Drawn, trained: subset.Drawn,
) -> tuple[str, ...]:  # fmt: skip
    """Sentences: how classes were found, among which is judged, what criteria read, what was left out."""
    if len(judged) < 2:
        return (matched.how if not judged else "Only one folder with images was recognised.",)
    among = "" if len(judged) == outputs.count else f", among {len(judged):,} of the model's {outputs.count:,} classes"
    notes = [f"Judged on {len(drawn.files):,} images{found.which}{among}.", matched.how, found.place.told]
    notes = [note for note in notes if note]
    if trained.files:
        split = "its training split" if found.trained else "images that are not judged"
        notes.append(f"Criteria and repair read {split} ({len(trained.files):,}).")
    out = [row.folder for row in rows if row.output == LEFT_OUT or not row.files]
    if out:
        named = ", ".join(name[:40] for name in out[:5]) + (", ..." if len(out) > 5 else "")
        notes.append(f"{len(out):,} folders are not judged, having no class or no images: {named}.")
    return (*notes, *subset.told(drawn, found.place))
