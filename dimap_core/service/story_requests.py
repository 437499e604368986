"""What the worker does for stories: handlers as in `requests`, which lists them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from .. import pipeline
from ..data import thumbnail
from ..plan import from_recipe
from ..studies import story
from .open_models import OpenModels, Request

_FOUND = {story.Ground: "ground", story.Told: "told"}


def tell(models: OpenModels, request: Request) -> Iterator[dict[str, Any]]:
    """What there is to tell of cuts of one model: the ground they stand on, then each in its order."""
    opened, plans = models.model(request), [from_recipe(recipe) for recipe in request["recipes"]]
    for doing, found in story.tell(opened, plans):
        if found is None:
            yield {"doing": doing}
        else:
            yield {"doing": doing, _FOUND[type(found)]: TypeAdapter(type(found)).dump_python(found, mode="json")}


def pictures(models: OpenModels, request: Request) -> Iterator[dict[str, Any]]:
    """Images of the model's set by number, as addresses that hold them."""
    data = pipeline.default_data(models.model(request), request["data"])
    numbers = np.array(request["numbers"], np.int64)
    images = data.images[numbers] if len(numbers) else []
    yield {"pictures": {str(at): thumbnail(image, request["side"]) for at, image in zip(numbers, images, strict=True)}}
