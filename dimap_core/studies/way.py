"""An image's way through a model and through a cut of it: whom a token attends to, how the feature maps fare, where the
two part, and after which block the dense model could no longer have told what it sees.

The dense model's weights and the plan's, masked or repaired, run through the same blocks, as they are judged.
Next door: `sweep.compare` answers all images, `anatomy.passage` follows one, `figures.way` draws.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image

from ..anatomy import Passed, embed, evaluating, head, passage, segments
from ..data import check_fit, normalised, restricted, stratified_order
from ..measure import Outcomes, Predictions, concatenate, predictions
from ..pipeline import Opened, apply_plan, check_trained, cut_weights, slow
from ..types import (
    AtBlock,
    Block,
    DataError,
    Glance,
    LabelledImages,
    PruningPlan,
    Spread,
    Way,
    WayStep,
    is_agreement,
    share,
)

LOOKED_AT, FEW = 240, 16  # images in search of one, at most; of a slow model
MANY = 200  # images that one is compared with
TOP = 3  # classes of an answer at a glance
SMALL = 168  # pixels along an edge of a small picture

Token = tuple[int, int]
"""(row, column) of a patch, from 0; (-1, k): the k-th token before the patches."""


@dataclass(frozen=True)
class Match:
    """An `image` that was looked for; `fits`: whether what was asked for happened to it, which it did to none among the
    `looked_at` images otherwise."""

    image: int
    fits: bool
    looked_at: int


def look_for(
    opened: Opened,
    data: LabelledImages,
    answered: Iterable[tuple[np.ndarray, Predictions, Predictions]],
    what: str = "broke",
    after: int | None = None,
    back: bool = False,
) -> Iterator[tuple[str, Match | None]]:
    """Yield (what is done, None), at last (.., an image to which the cut did what is asked for).

    It is the first in evaluation order, or the next one after image `after`, `back`wards the one before it; behind the
    last one comes the first again. Where it happened to none of the first images, it is the one whose right answer lost
    most. `answered`: as `compare` yields it; `what`: see `fitting`.
    """
    most, parts = min(len(data), FEW if slow(opened, data) else LOOKED_AT), []
    images = np.zeros(0, dtype=np.int64)
    for numbers, *both in answered:
        parts.append(both)
        images = np.concatenate([images, numbers])
        found = Outcomes(images, data.labels[images], *map(concatenate, zip(*parts, strict=True)))
        fits, whole = np.flatnonzero(fitting(found, data, what)), len(images) >= most
        near = _beyond(fits, images, after, back)
        if len(near) or whole:
            place = [*near, *(fits[::-1] if back else fits), found.worst_first()[0]][0]
            yield "Found an image", Match(int(images[place]), bool(len(fits)), len(images))
            return
        yield f"Looking for an image, {len(images)} of {most}", None


def fitting(found: Outcomes, data: LabelledImages, what: str) -> np.ndarray:
    """Boolean [n]: to which images the cut did `what`, one of `predictions.DIRECTIONS`, or the name of a cue: it is
    lost, and all other cues, right before too, are kept. Raises DataError for anything else."""
    known = predictions.DIRECTIONS
    if what in known:
        return found.directions == what
    if what not in data.cues:
        raise DataError(f"Images can't be chosen by '{what}'; choose one of {', '.join((*known, *data.cues))}.")
    fits = np.ones(len(found), dtype=bool)
    for cue, values in data.cues.items():
        value = np.asarray(values)
        was, now = (value[answers.classes] == value[found.labels] for answers in (found.dense, found.pruned))
        fits &= was & (~now if cue == what else now)
    return fits


def _beyond(fits: np.ndarray, images: np.ndarray, after: int | None, back: bool) -> np.ndarray:
    """The places `fits` that come after that image, or before it, the nearest first; of an image that was not looked
    at yet none comes after it, and nobody knows which come before."""
    if after is None:
        return fits
    here = np.flatnonzero(images == after)
    if not len(here):
        return fits[:0]
    return fits[fits < here[0]][::-1] if back else fits[fits > here[0]]


def follow(
    opened: Opened, data: LabelledImages, plan: PruningPlan, image: int | np.ndarray, token: Token | None = None
) -> Iterator[tuple[str, Way | None]]:
    """Yield (what is done, None) after every short step, then the way.

    Args:
        image: its number in `data`, from 0, or its pixels, uint8 [3, H, W].
        token: whose attention is shown, see `Token`; None: the class token, or the patch in the middle.

    Raises:
        DataError: random weights, an image or a token that does not exist.
    """
    check_trained(opened)
    check_fit(opened.info, data)
    pixels, label = _pixels(opened, data, image)
    grid, prefix = _patches(opened.model)
    token = token or ((-1, 0) if prefix else (grid[0] // 2, grid[1] // 2))
    weights = cut_weights(opened, plan, apply_plan(opened, plan)[0])
    model, family = opened.model, opened.info.family
    with _as_judged(opened):
        entering = embed(model, family, normalised(opened.info, pixels[None]).to(next(model.parameters()).device))
    both = yield from _through(opened, entering, weights, token)
    shares = [_answer(opened, data, found[-1].stream) for found in both]
    wanted = int(np.argmax(shares[0])) if label is None else label
    values = {cue: tuple(int(value) for value in of) for cue, of in data.cues.items()}
    steps = []
    for place, (block, before, after) in enumerate(zip(opened.anatomy.blocks, *both, strict=True), start=1):
        left = _answer(opened, data, after.stream, place)
        handed = {by: share(left, wanted, values.get(by)) for by in (*values, "class")}
        steps.append(_step(block, before, after, handed))
        yield f"Handing over to the dense model after block {place}", None
    yield "Done", Way(
        opened.anatomy.stage_word, None if isinstance(image, np.ndarray) else image, len(data), _png(pixels), grid,
        prefix, token, label, tuple(data.class_names), values, dict(data.cue_names), shares[0], shares[1], tuple(steps),
    )  # fmt: skip


def glance(opened: Opened, data: LabelledImages, plan: PruningPlan, image: int) -> Iterator[Glance | None]:
    """Yield None after each model's answer to the image of that number, then both; refuses as `follow` does."""
    check_trained(opened)
    check_fit(opened.info, data)
    pixels, _ = _pixels(opened, data, image)
    model, family, answers = opened.model, opened.info.family, []
    for weights in ({}, cut_weights(opened, plan, apply_plan(opened, plan)[0])):
        with _as_judged(opened):
            stream = embed(model, family, normalised(opened.info, pixels[None]).to(next(model.parameters()).device))
            for segment in segments(model, family):
                stream = segment.run(weights, stream)
        shares = np.array(_answer(opened, data, stream))
        first = np.argsort(-shares, kind="stable")[:TOP].tolist()
        answers.append(tuple((data.class_names[place], float(shares[place])) for place in first))
        yield None
    yield Glance(_thumbnail(pixels), *answers)


def _through(
    opened: Opened, entering: torch.Tensor, weights: Mapping[str, torch.Tensor], token: Token
) -> Generator[tuple[str, None], None, list[list[Passed]]]:
    """What leaves each block of the dense model, and of the pruned one; yields what is done after each."""
    both: list[list[Passed]] = []
    for name, own in (("dense", {}), ("pruned", weights)):
        blocks, found = passage(opened.model, opened.anatomy, own, entering, token), []
        for place in range(1, len(opened.anatomy.blocks) + 1):
            with _as_judged(opened):
                found.append(next(blocks))
            yield f"Following the image through the {name} model, block {place}", None
        both.append(found)
    return both


def _patches(model: Any) -> tuple[tuple[int, int], int]:
    """(rows, columns) of patches, and the tokens before them."""
    rows, columns = model.patch_embed.grid_size
    return (int(rows), int(columns)), getattr(model, "num_prefix_tokens", 0)


def _png(pixels: np.ndarray) -> str:
    """uint8 [3, H, W] as an address that holds the picture."""
    content = io.BytesIO()
    Image.fromarray(pixels.transpose(1, 2, 0)).save(content, "PNG")
    return "data:image/png;base64," + base64.b64encode(content.getvalue()).decode()


def _thumbnail(pixels: np.ndarray) -> str:
    """The same, small: an image of up to `SMALL` pixels as it is, a larger one scaled down and with losses."""
    if max(pixels.shape) <= SMALL:
        return _png(pixels)
    content, image = io.BytesIO(), Image.fromarray(pixels.transpose(1, 2, 0))
    image.thumbnail((SMALL, SMALL))
    image.save(content, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(content.getvalue()).decode()


def spread(opened: Opened, data: LabelledImages, plan: PruningPlan) -> Iterator[tuple[str, Spread | None]]:
    """Yield (what is done, None) after every batch, then how far apart the first `MANY` images are; of a model that is
    slow nothing."""
    check_trained(opened)
    check_fit(opened.info, data)
    if slow(opened, data):
        return
    weights = cut_weights(opened, plan, apply_plan(opened, plan)[0])
    order, found = stratified_order(data.labels)[:MANY], []
    for start in range(0, len(order), opened.sizes[0]):
        images = data.images[order[start : start + opened.sizes[0]]]
        with _as_judged(opened):
            found.append(_differences(opened, normalised(opened.info, images), weights))
        yield f"Comparing with other images, {min(start + opened.sizes[0], len(order))} of {len(order)}", None
    low, middle, high = np.percentile(np.concatenate(found), (10, 50, 90), axis=0).tolist()
    yield "Done", Spread(len(order), tuple(low), tuple(middle), tuple(high))


def _differences(opened: Opened, images: torch.Tensor, weights: Mapping[str, torch.Tensor]) -> np.ndarray:
    """Relative difference of the two residual streams, [images, blocks]."""
    dense = pruned = embed(opened.model, opened.info.family, images.to(next(opened.model.parameters()).device))
    found = []
    for segment in segments(opened.model, opened.info.family):
        dense, pruned = segment.run({}, dense), segment.run(weights, pruned)
        before, after = (stream.double().flatten(1) for stream in (dense, pruned))
        found.append(((after - before).norm(dim=1) / before.norm(dim=1)).cpu().numpy())
    return np.stack(found, axis=1)


def _pixels(opened: Opened, data: LabelledImages, image: int | np.ndarray) -> tuple[np.ndarray, int | None]:
    """The image as the model takes it, uint8 [3, H, W], and its label if it has one."""
    if not isinstance(image, np.ndarray):
        if not (isinstance(image, int) and 0 <= image < len(data)):
            told = f"{image + 1:,}" if isinstance(image, int) else repr(image)
            raise DataError(f"There is no image {told} in '{data.name}'; choose one from 1 to {len(data):,}.")
        return np.asarray(data.images[image]), None if is_agreement(data.name) else int(data.labels[image])
    side = opened.info.input_size
    if image.shape != (3, side, side) or image.dtype != np.uint8:
        raise DataError(f"'{opened.info.name}' takes {side} x {side} pixels in three colours; scale the image to that.")
    return image, None


@contextmanager
def _as_judged(opened: Opened) -> Iterator[None]:
    """What one step needs, and no longer than that: a step of another request may come next."""
    place = next(opened.model.parameters()).device.type
    precision = torch.autocast(place, torch.bfloat16) if opened.bf16 else nullcontext()
    with torch.inference_mode(), precision, evaluating(opened.model):
        yield


def _answer(opened: Opened, data: LabelledImages, stream: torch.Tensor, start: int | None = None) -> tuple[float, ...]:
    """Each class's share after the dense model's blocks from the `start`-th on (None: no more blocks)."""
    chain = segments(opened.model, opened.info.family)
    with _as_judged(opened):
        for segment in chain[len(chain) if start is None else start :]:
            stream = segment.run({}, stream)
        logits = restricted(head(opened.model, stream).float(), data.outputs)
    return tuple(logits[0].softmax(-1).tolist())


def _step(block: Block, dense: Passed, pruned: Passed, handed: Mapping[str, float]) -> WayStep:
    where = dense.windows
    before, after = (_tokens(found) for found in (dense, pruned))
    rows, columns = where.bands
    return WayStep(
        block.stage, block.index, block.mixer, where.grid, where.window, where.shift, tuple(rows), tuple(columns),
        tuple(dense.cells), dense.token, _at(dense, before), _at(pruned, after),
        float(np.linalg.norm(after - before) / np.linalg.norm(before)), handed,
    )  # fmt: skip


def _tokens(found: Passed) -> np.ndarray:
    """The residual stream as float64 [tokens, channels], prefix tokens first."""
    stream: Any = found.stream
    return stream.double().cpu().numpy().reshape(-1, stream.shape[-1])


def _at(found: Passed, tokens: np.ndarray) -> AtBlock:
    energy = np.square(tokens[found.windows.prefix :]).mean(1)
    maps = None if found.attention is None else tuple(map(tuple, found.attention.double().cpu().tolist()))
    rollout = None if found.rollout is None else tuple(found.rollout.cpu().tolist())
    return AtBlock(maps, tuple(found.silent), tuple(energy.tolist()), rollout)
