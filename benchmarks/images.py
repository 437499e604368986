"""A large model judged on a folder of photographs: time to the first number, time for all, what decoding takes, memory.

    python -m benchmarks.images [--model swin_base_patch4_window7_224] [--files 1000] [--judge 240] [--threads 1]

Random weights, marked as trained so that they can be judged: time and memory do not depend on them. The folder holds
500 x 375 JPEGs made of noise at several scales, about as large as ImageNet's, in 100 folders named by wnids.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from timm.data import ImageNetInfo

from dimap_core import images, pipeline
from dimap_core.sources import ImageSource
from dimap_core.types import LabelledImages, PruningPlan

SIZE = (500, 375)
FOLDERS = 100


def folder(root: Path, files: int) -> Path:
    """Write the photographs."""
    rng, wnids = np.random.default_rng(0), ImageNetInfo().label_names()[:FOLDERS]
    for number in range(files):
        layers = [Image.fromarray(rng.integers(0, 256, (s, s, 3), dtype=np.uint8)).resize(SIZE) for s in (6, 24, 96)]
        mixed = np.mean([np.asarray(layer, np.float32) for layer in layers], axis=0).astype(np.uint8)
        place = root / wnids[number % FOLDERS]
        place.mkdir(exist_ok=True)
        Image.fromarray(mixed).save(place / f"{number}.JPEG", quality=95)
    return root


def peak() -> float:
    """The highest memory of this process so far, GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="swin_base_patch4_window7_224")
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--judge", type=int, default=240, help="images judged; the time for all is extrapolated")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    print(f"{given.model}, {given.threads} torch thread(s), load average {os.getloadavg()[0]:.1f} at the start\n")
    opened = pipeline.open_model(given.model, "random")
    opened.info = replace(opened.info, weights="pretrained")
    print(f"| | |\n|---|---|\n| memory with the model open | {peak():.2f} GiB |")
    with tempfile.TemporaryDirectory() as root:
        place = folder(Path(root), given.files)
        size = sum(path.stat().st_size for path in place.rglob("*.JPEG")) / given.files / 1024
        begun = time.perf_counter()
        *_, (_, found) = images.judged_by(opened, ImageSource(f"folder:{place}", count=given.files))
        listed = time.perf_counter() - begun
        if found is None:
            raise SystemExit("no images")
        print(f"| {given.files:,} files of {size:.0f} KiB listed, looked at and drawn | {listed:.2f} s |")
        *_, (_, again) = images.judged_by(opened, ImageSource(f"folder:{place}", count=given.files))
        judge(found, pipeline.default_data(again or found), given.judge, listed)


def judge(opened: pipeline.Opened, fresh: LabelledImages, limit: int, listed: float) -> None:
    """Judge the dense model, then decode what it saw alone (`fresh` are the same images, none decoded yet)."""
    data = pipeline.default_data(opened)
    marks, cpu = [(time.perf_counter(), 0)], time.process_time()
    for estimate in pipeline.judge(opened, data, limit=limit, sizes=(30,)):
        marks.append((time.perf_counter(), estimate.n))
        if len(marks) == 2:
            print(f"| first number, on {estimate.n} images | {listed + marks[1][0] - marks[0][0]:.1f} s |", flush=True)
    (start, _), (_, first), (end, last) = marks[0], marks[1], marks[-1]
    rate = (end - marks[1][0]) / (last - first)
    print(f"| {last} images | {end - start:.1f} s, {time.process_time() - cpu:.1f} CPU s |")
    print(f"| all {len(data):,}, extrapolated from these | {(end - start) + rate * (len(data) - last):.0f} s |")
    print(
        f"| highest memory | {peak():.2f} GiB, {data.images.nbytes / 1024**3:.2f} of it images once all are decoded |"
    )
    begun, cpu = time.perf_counter(), time.process_time()
    for number in range(0, last, 30):
        data.images[np.arange(number, min(number + 30, last))]
    kept = time.perf_counter() - begun
    begun, cpu = time.perf_counter(), time.process_time()
    for number in range(0, last, 30):
        fresh.images[np.arange(number, min(number + 30, last))]
    seconds, spent = time.perf_counter() - begun, time.process_time() - cpu
    print(f"| decoding {last} images alone | {seconds:.1f} s, {1000 * spent / last:.1f} CPU ms an image |")
    print(f"| reading {last} decoded images again | {1000 * kept:.0f} ms |")
    plan = PruningPlan("magnitude", scope="layer", ratio=0.5)
    begun = time.perf_counter()
    next(pipeline.judge(opened, data, plan, limit=30, sizes=(30,)))
    print(f"| a cut's first number, 30 images, scoring included | {time.perf_counter() - begun:.1f} s |")


if __name__ == "__main__":
    main()
