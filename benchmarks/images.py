"""A large model judged on a folder of photographs: time to the first number, time for all, what decoding takes, memory.

    python -m benchmarks.images [--model swin_base_patch4_window7_224] [--files 1000] [--judge 240] [--threads 1]

Random weights, marked as trained so that they can be judged: time and memory do not depend on them. The folder holds
500 x 375 JPEGs made of noise at several scales, about as large as ImageNet's, in 100 folders named by wnids.
"""

from __future__ import annotations

import os
import resource
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from timm.data import ImageNetInfo

from dimap_core import pipeline
from dimap_core.data import ImageSource
from dimap_core.pipeline import judged_by
from dimap_core.types import LabelledImages, PruningPlan

from .measured import command_line, store

SIZE = (500, 375)
FOLDERS = 100


def folder(root: Path, files: int, classes: int = FOLDERS) -> Path:
    """Write the photographs, as many in each of the first `classes` folders."""
    rng, wnids = np.random.default_rng(0), ImageNetInfo().label_names()[:classes]
    for number in range(files):
        layers = [Image.fromarray(rng.integers(0, 256, (s, s, 3), dtype=np.uint8)).resize(SIZE) for s in (6, 24, 96)]
        mixed = np.mean([np.asarray(layer, np.float32) for layer in layers], axis=0).astype(np.uint8)
        place = root / wnids[number % classes]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mixed).save(place / f"{number}.JPEG", quality=95)
    return root


def peak() -> float:
    """The highest memory of this process so far, GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2


def main() -> None:
    """Print and keep what is measured, one thing a line."""
    parser = command_line(__doc__)
    parser.add_argument("--model", default="swin_base_patch4_window7_224")
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--judge", type=int, default=240, help="images judged; the time for all is extrapolated")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    print(f"{given.model}, {given.threads} torch thread(s), load average {os.getloadavg()[0]:.1f} at the start\n")
    rows = []
    with tempfile.TemporaryDirectory() as root:
        for row in measure(given.model, Path(root), given.files, given.judge):
            rows.append(row)
            print(": ".join(row), flush=True)
    store("images", [given.model, "value"], rows)


def measure(model: str, root: Path, files: int, limit: int) -> Iterator[tuple[str, str]]:
    """(what, value): a folder of photographs is found and judged."""
    opened = pipeline.open_model(model, "random")
    opened.info = replace(opened.info, weights="pretrained")
    yield "memory with the model open", f"{peak():.2f} GiB"
    place = folder(root, files)
    size = sum(path.stat().st_size for path in place.rglob("*.JPEG")) / files / 1024
    begun = time.perf_counter()
    *_, (_, found) = judged_by(opened, ImageSource(f"folder:{place}", count=files))
    listed = time.perf_counter() - begun
    if found is None:
        raise SystemExit("no images")
    yield f"{files:,} files of {size:.0f} KiB listed, looked at and drawn", f"{listed:.2f} s"
    *_, (_, again) = judged_by(opened, ImageSource(f"folder:{place}", count=files))
    yield from judge(found, pipeline.default_data(again or found), limit, listed)


def judge(opened: pipeline.Opened, fresh: LabelledImages, limit: int, listed: float) -> Iterator[tuple[str, str]]:
    """(what, value): the dense model judged, then what it saw decoded alone (`fresh` are the same images, none decoded
    yet)."""
    data = pipeline.default_data(opened)
    marks, cpu = [(time.perf_counter(), 0)], time.process_time()
    for estimate in pipeline.judge(opened, data, limit=limit, sizes=(30,)):
        marks.append((time.perf_counter(), estimate.n))
    (start, _), (early, first), (end, last) = marks[0], marks[1], marks[-1]
    rate = (end - early) / (last - first)
    yield f"first number, on {first} images", f"{listed + early - start:.1f} s"
    yield f"{last} images", f"{end - start:.1f} s, {time.process_time() - cpu:.1f} CPU s"
    yield f"all {len(data):,}, extrapolated from these", f"{(end - start) + rate * (len(data) - last):.0f} s"
    decoded = f"{data.images.nbytes / 1024**3:.2f} of it images once all are decoded"
    yield "highest memory", f"{peak():.2f} GiB, {decoded}"
    kept, _ = read(data, last)
    seconds, spent = read(fresh, last)
    yield f"decoding {last} images alone", f"{seconds:.1f} s, {1000 * spent / last:.1f} CPU ms an image"
    yield f"reading {last} decoded images again", f"{1000 * kept:.0f} ms"
    plan = PruningPlan("magnitude", scope="layer", ratio=0.5)
    begun = time.perf_counter()
    next(pipeline.judge(opened, data, plan, limit=30, sizes=(30,)))
    yield "a cut's first number, 30 images, scoring included", f"{time.perf_counter() - begun:.1f} s"


def read(data: LabelledImages, last: int) -> tuple[float, float]:
    """Seconds and CPU seconds to read the first images, 30 at a time."""
    begun, cpu = time.perf_counter(), time.process_time()
    for number in range(0, last, 30):
        data.images[np.arange(number, min(number + 30, last))]
    return time.perf_counter() - begun, time.process_time() - cpu


if __name__ == "__main__":
    main()
