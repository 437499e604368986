"""Ten sessions with ten different models in one worker: what is held in memory, how long each waits.

    python -m benchmarks.sessions [--gib 3] [--images 24]

Each session opens a model of ImageNet size with random weights, then judges one cut of it, all at once, and once more
with another cut after the others had their turn. Random weights pass as trained ones here, on random images: memory and
time do not depend on them, and no accuracy is shown. "Private" is what the process alone holds in RAM; files mapped in
memory come on top and are given up when others need the room.
"""

from __future__ import annotations

import inspect
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from dimap_core import pipeline
from dimap_core.models import memory
from dimap_core.service import Worker
from dimap_core.types import LabelledImages, size

from .live import resident
from .measured import command_line, machine, store, table

MODELS = (
    "swin_base_patch4_window7_224", "deit_base_patch16_224", "swin_small_patch4_window7_224",
    "swin_tiny_patch4_window7_224", "deit_small_patch16_224", "deit_tiny_patch16_224", "vit_small_patch32_224",
    "vit_base_patch32_224", "swin_s3_tiny_224", "vit_tiny_patch16_224",
)  # fmt: skip


def private() -> int:
    """Bytes that this process alone holds in RAM."""
    return resident("RssAnon")


def stand_in(images: int) -> LabelledImages:
    """Random images of ImageNet's size."""
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (images, 3, 224, 224), dtype=np.uint8)
    return LabelledImages("random images", pixels, np.arange(images) % 10, tuple("0123456789"))


def pretend(images: int) -> None:
    """Models with random weights pass as trained on the random images."""
    load, data = pipeline.open_model, stand_in(images)

    def opened(*arguments, **more):
        found = load(*arguments, **more)
        found.info = replace(found.info, weights="pretrained", data=data.name)
        return found

    pipeline.open_model = opened  # type: ignore[assignment]
    # Where the pipeline looks it up, which is behind its door.
    inspect.getmodule(pipeline.default_data).load_data = lambda *_: data  # type: ignore[assignment]


def main() -> None:
    """One row a session, then the memory."""
    parser = command_line(__doc__)
    parser.add_argument("--gib", type=float, default=3.0, help="memory for the models of this worker")
    parser.add_argument("--images", type=int, default=24)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    pretend(arguments.images)
    print(f"{machine()} {arguments.gib:g} GiB allowed, {arguments.images} images.\n", flush=True)
    before, most, at = private(), 0, 0.0
    asked: dict[str, float] = {}
    first: dict[str, float] = {}
    last: dict[str, float] = {}
    errors: list[str] = []
    evicted, held = 0, 0
    with tempfile.TemporaryDirectory() as folder:
        worker = Worker(Path(folder))
        worker.models.limit = int(arguments.gib * memory.GIB)
        let_go = worker.models.evict

        def count(key: tuple[str, str]) -> None:
            nonlocal evicted
            evicted += 1
            let_go(key)

        worker.models.evict = count  # type: ignore[method-assign]
        begun = time.monotonic()
        for ratio in (0.5, 0.7):
            for name in MODELS:
                base = {"model": name, "weights": "random", "session": name, "recipe": {"version": 1, "ratio": ratio}}
                worker.accept({**base, "kind": "open", "channel": "open", "ticket": f"open {name} {ratio}"})
                ticket = f"{name} {ratio}"
                worker.accept({**base, "kind": "evaluate", "channel": "live", "data": None, "ticket": ticket})
                asked[ticket] = time.monotonic()
            while worker.busy:
                event = worker.step()
                most = max(most, private() - before)
                held = max(held, len(worker.models.opened))
                if "error" in event:
                    errors.append(event["error"])
                if "n" in event.get("event", {}):
                    first.setdefault(event["ticket"], time.monotonic())
                    last[event["ticket"]] = time.monotonic()
        at = time.monotonic() - begun
    rows = [
        [f"`{name}`"]
        + [f"{first[t] - asked[t]:.0f} s, {last[t] - asked[t]:.0f} s" for t in (f"{name} 0.5", f"{name} 0.7")]
        for name in MODELS
    ]
    print(table(["first and last number after", "first cut", "second cut"], rows))
    facts = [["private memory above the empty process, at most", size(most)], ["models held at a time, at most", held]]
    facts += [["room made", f"{evicted} times"], ["errors", len(errors)]]
    store("sessions", ["ten sessions", "value"], facts)
    print(f"\nprivate memory above the empty process: at most {size(most)} of {arguments.gib:g} GiB allowed")
    print(f"models open at a time: at most {held}; made room: {evicted} times; errors: {len(errors)}; {at:.0f} s")
    print(*sorted(set(errors)), sep="\n")


if __name__ == "__main__":
    main()
