"""Finding what a report tells: each model is opened once, all cuts of it are judged, images that changed are kept.

Next door: `story.tell` judges, `contents` holds what is found, `sources` says which cuts.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from ...data import ImageSource, shown, thumbnail
from ...pipeline import Opened, default_data, judged_by, open_model
from ...types import UPLOAD, PruningError, StoryError
from ..story import CUTS, LETTERS, Ground, NamedCut, Story, Told, changed_images, hits, tell, what_differs
from .contents import Basis, Card, Method, Report, Reported
from .made import made
from .naming import Names, called, without_paths

MOST_IMAGES = 8
"""Changed images that are shown of a cut."""
_SIDES = (
    (6, 64),
    (CUTS, 48),
)  # px of them at most, up to so many cuts: a report is to stay under 6 MB whatever they show
_CHUNK = 256  # images hashed at a time


Opener = Callable[[NamedCut], Opened]
"""Opens a cut's model, judged by its images."""


def gather(
    story: Story,
    opener: Opener,
    methods: Sequence[Method] = (),
    cards: Sequence[Card | None] = (),
    names: Names = {},  # noqa: B006 - nobody writes to it
) -> Iterator[tuple[str, Report | None]]:
    """Yield (what is done, None), at last the report. `cards`: what directories say of the cuts that were read from
    them, in the story's order; `names`: see `naming`.

    Raises PruningError where a model or image cannot be had, and StoryError, which names the cut, where one cannot be
    met.
    """
    begun = time.monotonic()
    found: dict[int, Reported] = {}
    if not story.cuts:
        raise StoryError("There is no cut to report on; keep one on the Prune page first.")
    for places in _groups(story).values():
        first = story.cuts[places[0]]
        yield f"Opening {called(first.model, names)}", None
        opened = opener(first)
        for doing, told in _group(opened, story, places, names):
            yield doing, None
            found.update(told)
        del opened  # before the next one takes memory
    cuts = tuple(_checked(found[place], card) for place, card in enumerate(cards or [None] * len(story.cuts)))
    models = {one.basis.ground.model for one in cuts if one.basis.own_images}
    rows = [row for row in methods if row.model in models]
    yield "Writing", Report(story.title, cuts, made(time.monotonic() - begun), rows)


def by_name() -> Opener:
    """Opens as commands do, from this machine's disk; the model opened last is kept for the cuts that follow."""
    kept: dict[tuple, Opened] = {}

    def opener(cut: NamedCut) -> Opened:
        if cut.model.startswith(UPLOAD) or cut.data.startswith(UPLOAD):
            raise StoryError(
                f"'{cut.name}' is of a file that somebody had uploaded to the app and that is not in the story; name "
                "the file in the story as file:PATH or folder:PATH."
            )
        key = cut.model, cut.weights, cut.plan.seed if cut.weights == "random" else 0
        if key not in kept:
            kept.clear()
            kept[key] = open_model(*key)
        opened = kept[key]
        if cut.data and cut.data != opened.info.data:
            for _, found in judged_by(opened, ImageSource(cut.data, cut.count, cut.draw, cut.classes, split=cut.split)):
                opened = found or opened
        return opened

    return opener


def _groups(story: Story) -> dict[tuple, list[int]]:
    """Places of cuts by what is opened for them; those of one model follow each other."""
    groups: dict[tuple, list[int]] = {}
    for place, cut in enumerate(story.cuts):
        seed = cut.plan.seed if cut.weights == "random" else 0
        judged = (cut.data, cut.count, cut.draw, cut.classes, cut.split) if cut.data else ()
        groups.setdefault((cut.model, cut.weights, seed, judged), []).append(place)
    order = list(dict.fromkeys(key[:3] for key in groups))
    return dict(sorted(groups.items(), key=lambda item: order.index(item[0][:3])))


def _group(
    opened: Opened, story: Story, places: Sequence[int], names: Names
) -> Iterator[tuple[str, dict[int, Reported]]]:
    """Steps of judging the cuts of one model, with what is found at each place."""
    done: list[Told] = []
    ground = None
    try:
        for doing, one in tell(opened, [story.cuts[place].plan for place in places]):
            ground = one if isinstance(one, Ground) else ground
            done += [one] if isinstance(one, Told) else []
            yield doing, {}
    except PruningError as error:
        if ground is None:
            raise
        raise StoryError(f"Cut {LETTERS[places[len(done)]]} of the story: {str(error).rstrip('.')}.") from error
    if ground is None:
        return
    yield "Looking for images that changed", {}
    basis = _basis(opened, ground, without_paths(story.cuts[places[0]], names))
    for place, told in zip(places, done, strict=True):
        cut = without_paths(story.cuts[place], names)
        side = next(side for most, side in _SIDES if len(story.cuts) <= most)
        yield "Looking for images that changed", {place: _reported(opened, basis, cut, place, told, side)}


def _basis(opened: Opened, ground: Ground, cut: NamedCut) -> Basis:
    notes = () if opened.chosen is None else opened.chosen.facts.notes
    names = tuple(shown(name) for name in ground.class_names)
    ground = replace(ground, class_names=names, model=cut.model)
    pixels = _hash_of(opened) if ground.estimate else ""
    return Basis(ground, cut.model, opened.info.weights, cut.data, pixels, tuple(shown(note) for note in notes))


def _hash_of(opened: Opened) -> str:
    """Sixteen hexadecimal digits of the judged pixels and labels; of images that lie in files, of what tells those
    apart (name, size, time), which their set's name ends with."""
    data = default_data(opened)
    if not isinstance(data.images, np.ndarray):
        return data.name.rpartition("-")[2]
    digest = hashlib.sha256(np.ascontiguousarray(data.labels).tobytes())
    for start in range(0, len(data), _CHUNK):
        digest.update(np.ascontiguousarray(data.images[start : start + _CHUNK]).tobytes())
    return digest.hexdigest()[:16]


def _reported(opened: Opened, basis: Basis, cut: NamedCut, place: int, told: Told, side: int) -> Reported:
    ground = basis.ground
    differs = tuple(what_differs(cut.known, ground, told)) if cut.known else ()
    if not basis.judged:
        return Reported(LETTERS[place], cut, basis, told, differs=differs)
    changed = changed_images(ground, told)
    before, after = hits(ground, ground.answers), hits(ground, told.answers)
    lost, won = int((before & ~after).sum()), int((~before & after).sum())
    numbers = [one.number for one in changed[:MOST_IMAGES]]
    pixels = default_data(opened).images[np.array(numbers, np.int64)] if numbers else []
    kept = tuple((one, thumbnail(image, side)) for one, image in zip(changed, pixels, strict=False))
    return Reported(LETTERS[place], cut, basis, told, kept, (lost, won, len(changed) - lost - won), differs)


def _checked(one: Reported, card: Card | None) -> Reported:
    """With what a directory's card says otherwise; raises StoryError where it was cut from another model."""
    if card is None:
        return one
    total, said = one.total, []
    if card.before != (total.params, total.macs):
        raise StoryError(
            f"'{one.cut.name}' was cut from a model that had been cut before, which its recipe does not tell; report "
            "on a directory that was cut from the dense model."
        )
    if card.fingerprint not in ("", one.basis.ground.fingerprint):
        said.append("the model has other weights here than when the directory was written")
    after = total.params_after, total.macs_after
    for word, there, here in zip(("params", "MACs"), card.after, after, strict=True):
        said += [f"{word}: {there:,} in the directory, {here:,} here"] if there != here else []
    return replace(one, differs=(*one.differs, *said))
