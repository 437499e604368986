"""What the worker does for stories: handlers as in `requests`, which lists them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from .. import pipeline
from ..data import thumbnail
from ..plan import from_recipe
from ..studies import report as reports, story
from ..training import comparison
from ..types import StoryError
from . import made_files
from .open_models import OpenModels, Request, model_key

_FOUND = {story.Ground: "ground", story.Told: "told"}


def tell(models: OpenModels, request: Request) -> Iterator[dict[str, Any]]:
    """What there is to tell of cuts of one model: the ground they stand on, then each in its order."""
    opened, plans = models.model(request), [from_recipe(recipe) for recipe in request["recipes"]]
    for doing, found in story.tell(opened, plans):
        if found is None:
            yield {"doing": doing}
        else:
            yield {"doing": doing, _FOUND[type(found)]: TypeAdapter(type(found)).dump_python(found, mode="json")}


def report(models: OpenModels, request: Request) -> Iterator[dict[str, Any]]:
    """Write a report on a story; the last event says where. `opens`: what each cut is opened by, as a request's model,
    weights and images; `names`: what those of somebody's own are called."""
    told = story.from_file(request["story"])
    opens = {_where(cut): asked for cut, asked in zip(told.cuts, request["opens"], strict=True)}

    def opener(cut: story.NamedCut) -> pipeline.Opened:
        asked = opens[_where(cut)]
        own = model_key(request)
        if model_key(asked) != own and not models.admits(asked, Counter([own])):
            raise StoryError("The story's models do not fit into memory together; report on the cuts of one at a time.")
        return models.model(asked)

    form, found = request["format"], None
    for doing, found in reports.gather(told, opener, comparison.read(), names=request["names"]):  # noqa: B007
        yield {"doing": doing}
    if found is not None:
        path = made_files.place(models.folder, request["ticket"], f"report.{'zip' if form == 'md' else form}")
        reports.write_zipped(found, path) if form == "md" else reports.write(found, path, form)
        yield made_files.kept(path)


def _where(cut: story.NamedCut) -> tuple:
    """What a cut is opened by."""
    return cut.model, cut.weights, cut.data, cut.count, cut.draw, cut.classes, cut.split


def pictures(models: OpenModels, request: Request) -> Iterator[dict[str, Any]]:
    """Images of the model's set by number, as addresses that hold them."""
    data = pipeline.default_data(models.model(request), request["data"])
    numbers = np.array(request["numbers"], np.int64)
    images = data.images[numbers] if len(numbers) else []
    yield {"pictures": {str(at): thumbnail(image, request["side"]) for at, image in zip(numbers, images, strict=True)}}
