"""What the worker does for each kind of request: generators whose events are what the page gets.

A handler takes the open models and the request; it yields after every short step, so that others get their turn. To
add a kind: a handler, and its row in HANDLERS.
Next door: `worker` advances them, `open_models` keeps the models, `pipeline` does the work of each step, `index` is
what `open` leaves on disk for the app.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import asdict
from statistics import median
from typing import Any

import numpy as np

from .. import pipeline
from ..data import one_image
from ..measure import measure_latency, predictions
from ..models import fetch_weights, write_onnx, write_source
from ..pipeline import stream, timing, training_data
from ..plan import from_recipe
from ..studies import Measured, compare, follow, glance, leave_one_out, look_for, sensitivity, spread, versus
from ..types import AccuracyEstimate, LabelledImages, PruningError, PruningPlan
from . import made_files, open_images, story_requests
from .open_models import OpenModels, Request

_SIZES = (30, 60, 120)  # batches tried out on a dense model that is fast

Events = Iterator[dict[str, Any]]


def _open(models: OpenModels, request: Request) -> Events:
    """Load a model, list the images it is judged by, score it, and leave all on disk; the last event says where."""
    yield from fetch_weights(request["model"], request["weights"])
    opened = models.model({**request, "images": None})
    plan = from_recipe(request["recipe"])
    folder = open_images.write_model(models.folder, opened)
    if request.get("images"):
        for doing in models.images.refresh(opened, request["images"]):
            yield {"doing": doing}
        opened = models.model(request)
        folder = open_images.write_chosen(models.folder, opened)
    weights = sum(layer.size for layer in opened.anatomy.prunable)
    yield {"loaded": str(folder), "doing": f"Ranking {weights:,} weights"}
    for doing, _, _ in pipeline.prepare_scores(opened, plan):
        yield {"doing": doing}
    open_images.write_scores(models.folder, opened, plan)
    yield {"folder": str(folder)}


def _evaluate(models: OpenModels, request: Request) -> Events:
    """Stream estimates of a plan (no recipe: of the dense model), the dense model first where it is not known. The last
    one of images that someone chose says what the dense model's answers say against them (`doubt`), if anything."""
    opened = models.model(request)
    data = pipeline.default_data(opened, request["data"])
    for found in _estimates(models, request, opened, data):
        done = "n" in found and found["n"] == found["total"]
        doubt = pipeline.doubt(opened, data) if done else None
        yield found if doubt is None else {**found, "doubt": asdict(doubt)}


def _estimates(models: OpenModels, request: Request, opened: pipeline.Opened, data: LabelledImages) -> Events:
    """The estimates of `_evaluate`."""
    plan = from_recipe(request["recipe"]) if request["recipe"] else None
    slow = timing.slow(opened, data)
    for doing in open_images.first_decoded(opened):
        yield {"doing": doing}
    if plan is not None:
        if not slow:
            yield from _dense_first(models, opened, data)
        if plan.repair and not slow:
            yield from _first_look(models, request, opened, data, plan)
            return
        for doing, _, _ in pipeline.prepare(opened, plan):
            yield {"doing": doing}
    if plan is not None and slow:
        yield from stream(opened, data, plan, models.prefix(request["session"], opened))
        return
    for found in pipeline.judge_images(opened, data, plan, cache=models.prefix(request["session"], opened)):
        yield _told(*found)


def _first_look(
    models: OpenModels, request: Request, opened: pipeline.Opened, data: LabelledImages, plan: PruningPlan
) -> Events:
    """Estimates with the quick refit, marked as a preview, then, once the hand rests, the repaired cut's on all images:
    fewer would fall behind the preview's. A cut that is repaired already needs none."""
    cache = models.prefix(request["session"], opened)
    ready = pipeline.is_repaired(opened, plan)
    if not ready:
        for doing, _, _ in pipeline.prepare_preview(opened, plan):
            yield {"doing": doing}
        for estimate in pipeline.judge(opened, data, plan, cache=cache, preview=True):
            yield {**asdict(estimate), "preview": True}
        for _ in pipeline.prepare(opened, plan):
            yield {}
    for estimate, right in pipeline.judge_images(opened, data, plan, cache=cache):
        yield _told(estimate, right) if ready or estimate.done else {}


def _told(estimate: AccuracyEstimate, right: np.ndarray) -> dict[str, Any]:
    """An estimate as an event; the last one says `right`, the images that were answered right as packed bits in hex, so
    that two cuts can be compared image by image."""
    return {**asdict(estimate), "right": predictions.packed(right)} if estimate.done else asdict(estimate)


def _dense_first(models: OpenModels, opened: pipeline.Opened, data: LabelledImages) -> Events:
    """Judge the dense model unless it is known on all images."""
    while not pipeline.knows_dense(opened, data):
        if opened.info.fingerprint in models.tuning:
            yield {}  # another session's request is at it
        else:
            yield from _tune(models, opened, data)


def _tune(models: OpenModels, opened: pipeline.Opened, data: LabelledImages) -> Events:
    """Judge the dense model with batches of several sizes, and keep the size that took least time an image."""
    sizes = [size for size in _SIZES if size <= 2 * opened.sizes[0]] or opened.sizes  # no more than memory takes
    spent: dict[int, list[float]] = {size: [] for size in sizes}
    before, seconds = 0, 0.0
    models.tuning.add(opened.info.fingerprint)
    try:
        for estimate in pipeline.judge(opened, data, sizes=sizes):
            if estimate.n - before in spent:
                spent[estimate.n - before].append((estimate.seconds - seconds) / (estimate.n - before))
            before, seconds = estimate.n, estimate.seconds
            yield {"waiting": "dense"}
    finally:
        models.tuning.discard(opened.info.fingerprint)
    cost = {size: median(times) for size, times in spent.items() if times}
    opened.sizes = (min(cost, key=lambda size: cost[size], default=opened.sizes[0]),)


def _predictions(models: OpenModels, request: Request) -> Events:
    """Where the images lie, then both models' answers to one batch of them after another."""
    opened, plan = models.model(request), from_recipe(request["recipe"])
    data = pipeline.default_data(opened, request["data"])
    yield {"folder": str(open_images.write_data(models.folder, data))}
    if not timing.slow(opened, data):
        yield from _dense_first(models, opened, data)
    for doing, _, _ in pipeline.prepare(opened, plan):
        yield {"doing": doing}
    for numbers, *both in compare(opened, data, plan, models.prefix(request["session"], opened)):
        open_images.write_pictures(models.folder, data, numbers)
        yield predictions.event(numbers, len(data), *both)


def _explain(models: OpenModels, request: Request) -> Events:
    """Why both models answer one image as they do: progress, then the explanation."""
    from ..studies import explain  # captum takes a second to import, and most requests do without

    opened, plan = models.model(request), from_recipe(request["recipe"])
    data = pipeline.default_data(opened, request["data"])
    for doing, _, _ in pipeline.prepare(opened, plan):
        yield {"doing": doing}
    for doing, found in explain(opened, data, plan, request["image"], request["method"], request["target"]):
        yield {"doing": doing} if found is None else found.event()


def _way(models: OpenModels, request: Request) -> Events:
    """One image's way through both models: progress, then the way. The image is a number, or a `file` in base64; with
    neither it is one to which the cut does what is `wanted`, the next one `after` some image or, `back`wards, the one
    before it; the last event says whether there was one (`fits`) among how many that were `looked_at`."""
    opened, plan = models.model(request), from_recipe(request["recipe"])
    data = pipeline.default_data(opened, request["data"])
    for doing, _, _ in pipeline.prepare(opened, plan):
        yield {"doing": doing}
    image, token, match = request["image"], request["token"], {}
    if request.get("file"):
        image = one_image(base64.b64decode(request["file"]), opened.model, opened.info)
    elif image is None:
        answered = compare(opened, data, plan, models.prefix(request["session"], opened))
        asked = request["wanted"], request["after"], request["back"]
        for doing, matched in look_for(opened, data, answered, *asked):
            yield {"doing": doing}
            if matched is not None:
                image, match = matched.image, {"fits": matched.fits, "looked_at": matched.looked_at}
    steps = 3 * len(opened.anatomy.blocks)  # through the dense model, through the pruned one, and handing over
    for done, (doing, found) in enumerate(follow(opened, data, plan, image, token and tuple(token)), start=1):
        yield {"doing": doing, "share": done / steps} if found is None else {**found.event(), **match}


def _glance(models: OpenModels, request: Request) -> Events:
    """What both models say of the image of that number."""
    opened, plan = models.model(request), from_recipe(request["recipe"])
    data = pipeline.default_data(opened, request["data"])
    for _ in pipeline.prepare(opened, plan):
        yield {}
    for found in glance(opened, data, plan, request["image"]):
        yield {} if found is None else asdict(found)


def _spread(models: OpenModels, request: Request) -> Events:
    """How far dense and pruned model are apart on many images; of a slow model nothing."""
    opened, plan = models.model(request), from_recipe(request["recipe"])
    for _ in pipeline.prepare(opened, plan):
        yield {}
    for _, found in spread(opened, pipeline.default_data(opened, request["data"]), plan):
        yield {} if found is None else asdict(found)


def _curve(models: OpenModels, request: Request) -> Events:
    """One event a ratio: the measured row of the recipe at that common ratio, on the first `limit` images."""
    opened = models.model(request)
    data, first = pipeline.default_data(opened, request["data"]), from_recipe(request["recipe"])
    for _ in pipeline.prepare_scores(opened, first):
        yield {}
    pipeline.score(opened, first)  # what cannot be scored at all is told, and no short curve
    for ratio in request["ratios"]:
        plan = from_recipe({**request["recipe"], "ratio": ratio})
        try:
            selection, cost = pipeline.apply_plan(opened, plan)
        except PruningError:
            continue  # the curve ends where a layer would be emptied
        ready = pipeline.prepare_preview if plan.repair else pipeline.prepare  # a repair for each point takes minutes
        for _ in ready(opened, plan):
            yield {}
        estimates = []
        for estimate in pipeline.judge(opened, data, plan, request.get("limit"), preview=plan.repair):
            estimates.append(estimate)
            yield {}
        yield Measured(plan, selection.ratio, cost, estimates[-1]).full_row()


def _latency(models: OpenModels, request: Request) -> Events:
    """One event a batch size: dense and pruned model by turns on this device."""
    opened, plan = models.model(request), from_recipe(request["recipe"])
    for doing, _, _ in pipeline.prepare(opened, plan):
        yield {"doing": doing}
    yield {"doing": "Measuring"}
    pruned, _, _ = pipeline.prune(opened, plan)
    size, asked = opened.info.input_size, (request["batches"], request["threads"], request["repeats"])
    for row in measure_latency(opened.model, pruned, size, *asked):
        yield asdict(row)


def _export(models: OpenModels, request: Request) -> Events:
    """Write the pruned model as a zipped checkpoint, as ONNX or in the layout its file came in; the last event says
    where, and of a layout what there is to say (`said`)."""
    opened, plan = models.model(request), from_recipe(request["recipe"])
    for doing, _, _ in pipeline.prepare(opened, plan):
        yield {"doing": doing}
    yield {"doing": "Writing the file"}
    place, said = made_files.place(models.folder, request["ticket"], request["format"]), {}
    if request["format"] == "onnx":
        write_onnx(pipeline.prune(opened, plan)[0], opened.info, place)
    elif request["format"] == "source":
        pruned, _, _ = pipeline.prune(opened, plan)
        said = {"said": write_source(pruned, opened.info, place, request["model"]).sentence}
    else:
        pipeline.save_pruned(place, opened, plan)
    yield {**made_files.kept(place), **said}


def _truth(models: OpenModels, request: Request) -> Events:
    """One event a head or tenth of a block's hidden units: what the model loses without it."""
    opened = models.model(request)
    for effect in leave_one_out(opened, pipeline.default_data(opened, request["data"])):
        yield {} if effect is None else asdict(effect)


def _sensitivity(models: OpenModels, request: Request) -> Events:
    """One event a stage x module (or kind) and ratio, cut alone by the recipe's criterion, granularity and scope; on
    training images, since ratios are made from it that the others judge."""
    opened, plan = models.model(request), from_recipe(request["recipe"])
    for doing, _, _ in pipeline.prepare_scores(opened, plan):
        yield {"doing": doing}
    for row in sensitivity(opened, training_data(opened, request["data"]), plan):
        yield {} if row is None else asdict(row)


def _versus(models: OpenModels, request: Request) -> Events:
    """Stream the comparison of two recipes on the same images."""
    opened = models.model(request)
    first, second = (from_recipe(recipe) for recipe in request["recipes"])
    for plan in (first, second):
        for doing, _, _ in pipeline.prepare(opened, plan):
            yield {"doing": doing}
    for found in versus(opened, pipeline.default_data(opened, request["data"]), first, second):
        yield asdict(found)


HANDLERS: dict[str, Callable[[OpenModels, Request], Events]] = {
    "open": _open, "evaluate": _evaluate, "curve": _curve, "latency": _latency, "export": _export,
    "predictions": _predictions, "explain": _explain, "way": _way, "glance": _glance, "spread": _spread,
    "truth": _truth, "sensitivity": _sensitivity, "versus": _versus,
    "tell": story_requests.tell, "pictures": story_requests.pictures, "report": story_requests.report,
}  # fmt: skip
