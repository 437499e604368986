"""The index on disk: what the app process needs to answer a slider, memory-mapped and readable without torch.

A model's folder holds `info.json`, `anatomy.json` and `weights.npy`; each criterion adds its ordered keys, their table
and tails, and the keys in place where they are not the weights themselves; scores of groups are one file. The worker
writes, the app reads. A data set's folder holds `images.npy` and `data.json`. A model judged by chosen images has a
folder of its own, which links to what does not depend on them.
Next door: `criteria` makes the scores, `plan.selection` searches them.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from ..anatomy import group_sets
from ..criteria import images_read, stem
from ..types import BLOCK, Anatomy, LabelledImages, LayerScores, ModelInfo, PruningPlan, Scores, whole_file

FACTS = "chosen.json"  # what is told of chosen images
_READY = ".scores.json"
_KEPT = 16  # scores on disk for one model: more than there are criteria, which a page may ask for all at once
_MOST = 6 * 1024**3  # bytes of them; all criteria of Swin-B's weights take 4 GB
_IMAGES = PruningPlan.images
_ANATOMY, _INFO = TypeAdapter(Anatomy), TypeAdapter(ModelInfo)


def write_model(folder: Path, info: ModelInfo, anatomy: Anatomy, weights: dict[str, np.ndarray]) -> None:
    """Write what does not depend on a criterion; `weights` by layer name, float32."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_flat(folder / "weights.npy", [weights[layer.name] for layer in anatomy.prunable], np.float32)
    (folder / "info.json").write_bytes(_INFO.dump_json(info))
    # Written last, and whole: its presence says that the others are complete.
    with whole_file(folder / "anatomy.json") as part:
        part.write_bytes(_ANATOMY.dump_json(anatomy))


def link_model(own: Path, folder: Path, info: ModelInfo, facts: dict[str, Any]) -> None:
    """A folder for the same model judged by chosen images: its files linked, its own `info`, what is told of them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("weights.npy", "anatomy.json"):
        _link(own / name, folder / name)
    (folder / "info.json").write_bytes(_INFO.dump_json(info))
    _write_last(folder / FACTS, facts)


def link_scores(own: Path, folder: Path, criterion: str, seed: int, granularity: str, images: int) -> None:
    """Give `folder` the scores that lie in `own`, without a copy of them."""
    name = _stem(criterion, seed, granularity, images)
    for path in (*own.glob(f"{name}.*.np[yz]"), own / f"{name}{_READY}"):
        _link(path, folder / path.name)


def _link(path: Path, link: Path) -> None:
    link.unlink(missing_ok=True)
    link.hardlink_to(path)


def read_facts(folder: Path) -> dict[str, Any] | None:
    """What is told of the chosen images that a folder's model is judged by; None where it is judged by its own."""
    path = folder / FACTS
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def write_data(folder: Path, data: LabelledImages) -> None:
    """Write a data set's images and facts, unless they lie there already; of images that are decoded as they are read
    only the place, which `write_images` fills."""
    if (folder / "data.json").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(data.images, np.ndarray):
        np.save(folder / "images.npy", data.images)
    else:
        with (folder / "images.npy").open("wb") as file:
            header = {"descr": "|u1", "fortran_order": False, "shape": data.images.shape}
            np.lib.format.write_array_header_1_0(file, header)
            file.truncate(file.tell() + math.prod(data.images.shape))
    cues = {name: values.tolist() for name, values in data.cues.items()}
    facts = {"name": data.name, "class_names": data.class_names, "cues": cues, "cue_names": dict(data.cue_names)}
    _write_last(folder / "data.json", {**facts, "labels": data.labels.tolist()})


def _write_last(path: Path, facts: dict[str, Any]) -> None:
    """What says by its presence that the arrays beside it are complete."""
    with whole_file(path) as part:
        part.write_text(json.dumps(facts), encoding="utf-8")


def write_images(folder: Path, data: LabelledImages, numbers: np.ndarray) -> None:
    """Add some images to what `write_data` began; nothing to do for a data set in memory."""
    if isinstance(data.images, np.ndarray):
        return
    path, size = folder / "images.npy", math.prod(data.images.shape[1:])
    start = path.stat().st_size - math.prod(data.images.shape)
    with path.open("r+b") as file:  # not a memory map: a full disk would end the process
        for number, image in zip(numbers.tolist(), data.images[numbers], strict=True):
            file.seek(start + number * size)
            file.write(image.tobytes())


def read_data(folder: Path) -> LabelledImages:
    """What `write_data` wrote, the images memory-mapped."""
    facts = json.loads((folder / "data.json").read_text(encoding="utf-8"))
    cues = {name: np.array(values) for name, values in facts["cues"].items()}
    names = {cue: tuple(values) for cue, values in facts["cue_names"].items()}
    images, labels = np.load(folder / "images.npy", mmap_mode="r"), np.array(facts["labels"])
    return LabelledImages(facts["name"], images, labels, tuple(facts["class_names"]), cues, names)


def write_scores(folder: Path, scores: Scores, images: int = _IMAGES) -> None:
    """Add one criterion's scores to a model's folder; `images`: what the plan lets a criterion read."""
    name = _stem(scores.criterion, scores.seed, scores.granularity, images)
    if scores.table is None:
        _write_groups(folder / f"{name}.groups.npz", scores)
    else:
        _write_weights(folder, name, scores, scores.table)
    _write_last(folder / f"{name}{_READY}", {"by_magnitude": scores.by_magnitude, "top": scores.top})
    _evict(folder)


def _write_groups(path: Path, scores: Scores) -> None:
    """Sets of groups are small: one file holds them all, by number and part."""
    parts = {
        f"{part}-{place}": value
        for place, layer in enumerate(scores.ordered_layers)
        for part, value in (("keys", layer.keys), ("ordered", layer.ordered), ("tail", layer.tail))
        if value is not None
    }
    np.savez(path, **parts)  # type: ignore[arg-type]


def _write_weights(folder: Path, name: str, scores: Scores, table: np.ndarray) -> None:
    layers = scores.ordered_layers
    _write_flat(folder / f"{name}.ordered.npy", [layer.ordered for layer in layers], np.float32)
    np.save(folder / f"{name}.table.npy", table)
    tails = [layer.tail for layer in layers if layer.tail is not None]
    if tails:
        np.save(folder / f"{name}.tails.npy", np.concatenate(tails))
    if not scores.by_magnitude:
        _write_flat(folder / f"{name}.keys.npy", [layer.keys for layer in layers], np.float32)


def read_model(folder: Path) -> tuple[ModelInfo, Anatomy]:
    """What `write_model` wrote, without the weights."""
    info = _INFO.validate_json((folder / "info.json").read_bytes())
    return info, _ANATOMY.validate_json((folder / "anatomy.json").read_bytes())


def read_weights(folder: Path, anatomy: Anatomy) -> dict[str, np.ndarray]:
    """Weights by layer name, memory-mapped, in the layers' shapes."""
    return _split(folder / "weights.npy", anatomy, shaped=True)


def read_scores(
    folder: Path, anatomy: Anatomy, criterion: str, seed: int, granularity: str = "weight", images: int = _IMAGES
) -> Scores:
    """One criterion's scores of single weights, memory-mapped, or of groups ("structure")."""
    name = _stem(criterion, seed, granularity, images)
    facts = json.loads((folder / f"{name}{_READY}").read_text(encoding="utf-8"))
    if granularity == "structure":
        return Scores(criterion, seed, _read_groups(folder / f"{name}.groups.npz", anatomy), None, facts["top"])
    keys = _split(folder / ("weights.npy" if facts["by_magnitude"] else f"{name}.keys.npy"), anatomy, shaped=True)
    ordered = _split(folder / f"{name}.ordered.npy", anatomy, shaped=False)
    tails = _split_tails(folder / f"{name}.tails.npy", anatomy)
    layers = {n: LayerScores(keys[n], ordered[n], tails.get(n)) for n in keys}
    table = np.load(folder / f"{name}.table.npy", mmap_mode="r")
    return Scores(criterion, seed, layers, table, facts["top"], facts["by_magnitude"]).ready()


def _read_groups(path: Path, anatomy: Anatomy) -> dict[str, LayerScores]:
    with np.load(path) as parts:
        return {
            group.name: LayerScores(
                parts[f"keys-{place}"],
                parts[f"ordered-{place}"],
                parts.get(f"tail-{place}"),
            )
            for place, group in enumerate(group_sets(anatomy))
        }


def has_scores(folder: Path, criterion: str, seed: int, granularity: str = "weight", images: int = _IMAGES) -> bool:
    """Whether `write_scores` finished for this criterion, seed, granularity and (where it reads any) images."""
    return (folder / f"{_stem(criterion, seed, granularity, images)}{_READY}").exists()


def _evict(folder: Path) -> None:
    """Keep the scores written last; what is mapped in memory lives on until it is let go."""
    finished = sorted(folder.glob(f"*{_READY}"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    size = 0
    for place, ready in enumerate(finished):
        files = [ready, *folder.glob(f"{ready.name.removesuffix(_READY)}.*.np[yz]")]
        size += sum(path.stat().st_size for path in files)
        if place >= _KEPT or (place and size > _MOST):
            for path in files:
                path.unlink()


def _stem(criterion: str, seed: int, granularity: str, images: int) -> str:
    return f"{stem(criterion)}-{seed}-{granularity}-{images_read(criterion, images)}"


def _write_flat(path: Path, arrays: list[np.ndarray], dtype: type) -> None:
    """All arrays one after another in one flat .npy, written layer by layer so that memory holds one copy only; not by
    a memory map: a full disk would end the process."""
    with path.open("wb") as file:
        descr = np.lib.format.dtype_to_descr(np.dtype(dtype))
        header = {"descr": descr, "fortran_order": False, "shape": (sum(array.size for array in arrays),)}
        np.lib.format.write_array_header_1_0(file, header)
        for array in arrays:
            file.write(np.ascontiguousarray(array, dtype).reshape(-1).data)


def _split(path: Path, anatomy: Anatomy, shaped: bool) -> dict[str, np.ndarray]:
    flat, start, parts = np.load(path, mmap_mode="r"), 0, {}
    for layer in anatomy.prunable:
        part = flat[start : start + layer.size]
        parts[layer.name] = part.reshape(layer.shape) if shaped else part
        start += layer.size
    return parts


def _split_tails(path: Path, anatomy: Anatomy) -> dict[str, np.ndarray]:
    """Each layer's tail, where the scores are relative."""
    if not path.exists():
        return {}
    flat, start, parts = np.load(path, mmap_mode="r"), 0, {}
    for layer in anatomy.prunable:
        blocks = -(-layer.size // BLOCK)
        parts[layer.name] = flat[start : start + blocks]
        start += blocks
    return parts
