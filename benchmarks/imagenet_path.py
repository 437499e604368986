"""What a user waits for with a model of ImageNet's: from its name to the accuracy of a cut on 1,000 photographs.

    python -m benchmarks.imagenet_path [--megabytes 20] [--judge 1000] [MODEL ...]

Asks the worker process as the app does. The hub is a stand-in on this machine that serves files of true size at so many
megabytes a second, with random weights; photographs are noise (`stand_in`). With --judge 240 the time for all images is
the one that the page tells. Times run from naming the model, or from a move, where nothing else is said.
Next door: `images` measures without the app's worker, `large` what criteria and repair take.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dimap_core.data import ImageSource
from dimap_core.measure import cost_report
from dimap_core.plan import select, to_recipe
from dimap_core.service import Ticket, WorkerClient, index
from dimap_core.types import FIRST, PruningPlan

from . import images
from .measured import command_line, machine, store, table
from .served import processes
from .stand_in import MODELS, Hub, hub

BUNDLED = {"model": "swin-digits", "weights": "pretrained", "images": None}
_LOOK = 0.005  # seconds
Row = tuple[str, str]


class Person:
    """A session that looks at what the worker tells it, and when."""

    def __init__(self, client: WorkerClient, name: str) -> None:
        self.client, self.name = client, name

    def ask(self, channel: str, **request: Any) -> Ticket:
        """A request of this session."""
        return self.client.submit(self.name, channel, request)

    def judge(self, base: dict[str, Any], ratio: float) -> Ticket:
        """A cut of the model."""
        return self.ask("live", kind="evaluate", recipe=recipe(ratio), **base)


def recipe(ratio: float) -> dict[str, Any]:
    """DIMAP at that ratio."""
    return to_recipe(PruningPlan(ratio=ratio))


def until(ticket: Ticket, true: Callable[[dict[str, Any]], object] | None = None) -> float:
    """Seconds until one of a ticket's events is so (none: until it ends)."""
    begun, seen = time.monotonic(), 0
    while True:
        running, found = ticket.running, ticket.events[seen:]
        seen += len(found)
        if ticket.error:
            raise SystemExit(ticket.error)
        if (true and any(true(event) for event in found)) or not running:
            return time.monotonic() - begun
        time.sleep(_LOOK)


def judged(count: int) -> Callable[[dict[str, Any]], object]:
    """Whether an event tells of so many images."""
    return lambda event: event.get("n", 0) >= count


def peak() -> str:
    """The worker's highest memory so far."""
    ((_, worker),) = [found for found in processes(os.getpid()) if found[0] == "worker"]
    lines = Path(f"/proc/{worker}/status").read_text("utf-8").splitlines()
    kib = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    return f"{kib / 1024**2:.2f} GiB"


@contextmanager
def started(serving: Hub, home: Path) -> Iterator[WorkerClient]:
    """A worker that knows the stand-in of the hub, and keeps what it fetches and finds in `home`."""
    os.environ |= {"HF_ENDPOINT": serving.address, "HF_HOME": str(home), "DIMAP_HOME": str(home)}
    client = WorkerClient()
    try:
        warm = Person(client, "first visitor")
        until(warm.ask("open", kind="open", recipe=recipe(0.5), **BUNDLED))
        until(warm.judge({**BUNDLED, "data": "digits"}, 0.4))
        yield client
    finally:
        client.close()


def fetched(event: dict[str, Any]) -> bool:
    """Whether an event tells of a download that has begun."""
    return event.get("total", 0) > 0 and event.get("done", 0) > 0 and "n" not in event


def whole_path(serving: Hub, model: str, photographs: Path, home: Path, judge: int) -> Iterator[Row]:
    """(what, value): download, counts, accuracy, while another session moves its own slider."""
    chosen = {"model": model, "weights": "pretrained", "images": ImageSource(f"folder:{photographs}").request()}
    size = sum(len(content) for path, content in serving.files.items() if model in path)
    with started(serving, home) as client:
        me, other = Person(client, "me"), Person(client, "other")
        begun = time.monotonic()
        opening = me.ask("live", kind="open", recipe=recipe(0.5), **chosen)
        until(opening, fetched)
        yield "first progress of the download", f"{time.monotonic() - begun:.1f} s"
        theirs = other.judge({**BUNDLED, "data": "digits"}, 0.55)
        yield (
            "meanwhile another session's move: first number, all",
            f"{until(theirs, judged(1)):.2f} s, +{until(theirs):.2f} s",
        )
        until(opening, lambda event: "doing" in event and not fetched(event) and "Downloading" not in event["doing"])
        yield "download done", f"{time.monotonic() - begun:.1f} s, {size / 1e6:.0f} MB"
        until(opening)
        counts = index.read_model(Path(opening.events[-1]["folder"]))
        yield "highest memory of the worker, opened", peak()
        yield from _on_screen(Path(opening.events[-1]["folder"]), begun)
        yield from _accuracy(me, {**chosen, "data": counts[0].data}, begun, judge)
        yield "highest memory of the worker, judged", peak()
    yield from _come_back(serving, {**chosen, "data": counts[0].data}, home)


def _come_back(serving: Hub, base: dict[str, Any], home: Path) -> Iterator[Row]:
    """The same model and images once the server was started again."""
    with started(serving, home) as client:
        me, begun = Person(client, "me"), time.monotonic()
        until(me.ask("live", kind="open", recipe=recipe(0.5), **base))
        yield "the server started again: counts", f"{time.monotonic() - begun:.1f} s"
        until(me.judge(base, 0.6), judged(FIRST))
        yield f"the server started again: another cut on {FIRST} images", f"{time.monotonic() - begun:.1f} s"


def _on_screen(folder: Path, begun: float) -> Iterator[Row]:
    """The counts of a cut, worked out in the app's process from what the worker left."""
    _, anatomy = index.read_model(folder)
    plan = PruningPlan(ratio=0.5)
    cost_report(anatomy, select(index.read_scores(folder, anatomy, "dimap", 0, "weight"), anatomy, plan))
    yield "counts on screen", f"{time.monotonic() - begun:.1f} s"


def _accuracy(me: Person, base: dict[str, Any], begun: float, judge: int) -> Iterator[Row]:
    """First numbers, one image's answers beside them, all images, and another cut in the middle."""
    ticket = me.judge(base, 0.5)
    until(ticket, judged(1))
    yield f"first number, dense and cut on {ticket.events[-1]['n']} images", f"{time.monotonic() - begun:.1f} s"
    until(ticket, judged(FIRST))
    first = ticket.events[-1]
    joint = first["cues"]["joint"]
    yield f"first answer, dense and cut on {FIRST} images", f"{time.monotonic() - begun:.1f} s"
    yield "its interval is as wide as", f"{100 * (joint['high'] - joint['low']):.1f} points"
    image = me.ask("glance", kind="glance", recipe=recipe(0.5), image=0, **base)
    yield "then one image's answers beside it, after", f"{until(image):.1f} s"
    until(ticket, judged(judge))
    told = f", told: {ticket.events[-1]['left']:.0f} s more" if ticket.running else ""
    yield f"{judge:,} of {first['total']:,} images", f"{time.monotonic() - begun:.0f} s{told}"
    moved = time.monotonic()
    newer = me.judge(base, 0.7)
    yield "a move: the older cut has ended after", f"{until(ticket):.2f} s" if ticket.running else "it had ended"
    until(newer, judged(1))
    yield "a move: first number after", f"{time.monotonic() - moved:.1f} s"
    until(newer, judged(FIRST))
    yield f"a move: {FIRST} images after", f"{time.monotonic() - moved:.1f} s"
    note = newer.events[-1].get("note") or first.get("note") or "not compared yet"
    yield "precision", note.partition(":")[0]
    me.client.cancel(me.name, "live")
    until(newer)  # what the dense model answered is kept then


def broken(serving: Hub, model: str, homes: Path) -> Iterator[Row]:
    """(what, value): a download that is cancelled, one whose connection breaks, one whose process is killed."""
    path = next(path for path in serving.files if model in path)
    size, chosen = len(serving.files[path]), {"model": model, "weights": "pretrained", "images": None}

    def opened(client: WorkerClient, share: float) -> Ticket:
        ticket = Person(client, "me").ask("live", kind="open", recipe=recipe(0.5), **chosen)
        until(ticket, lambda event: fetched(event) and event["done"] >= share * size)
        return ticket

    def sent() -> str:
        return f"{serving.served.pop(path, 0) / size:.3f} of the file"

    with started(serving, homes / "cancelled") as client:
        serving.served.clear()
        opened(client, 0.3)
        client.cancel("me", "live")
        theirs = Person(client, "me").judge({**BUNDLED, "data": "digits"}, 0.6)
        yield "cancelled at 30 %: first number of another model after", f"{until(theirs, judged(1)):.2f} s"
        until(opened(client, 0))
        yield "asked again, open in the end; sent in all", sent()
    with started(serving, homes / "broken") as client:
        serving.breaks_at = int(0.4 * size)
        until(opened(client, 0))
        yield "connection broken at 40 %; sent in all", sent()
    with started(serving, homes / "killed") as client:
        opened(client, 0.5)
    with started(serving, homes / "killed") as client:
        time.sleep(1)  # the connection of the killed process has ended
        before = serving.served.get(path, 0)
        until(opened(client, 0))
        after = serving.served.get(path, 0) - before
        yield "server stopped at 50 %, started again; then sent", f"{after / size:.3f} of the file"
        serving.served.clear()


def main() -> None:
    """Measure each model, then print and keep the table."""
    parser = command_line(__doc__, MODELS)
    parser.add_argument("--megabytes", type=float, default=20.0, help="a second, from the hub")
    parser.add_argument("--judge", type=int, default=1000, help="images judged")
    given = parser.parse_args()
    print(machine(), flush=True)
    found: dict[str, dict[str, str]] = {}
    with tempfile.TemporaryDirectory() as folder, hub(given.models, given.megabytes) as serving:
        photographs = images.folder(Path(folder, "val"), 1000, 1000)
        for model in given.models:
            homes = Path(folder, model)
            for steps in (whole_path(serving, model, photographs, homes, given.judge), broken(serving, model, homes)):
                for what, value in steps:
                    print(f"{model}: {what}: {value}", flush=True)
                    found.setdefault(what, {})[model] = value
    columns = ["", *(f"`{model}`" for model in given.models)]
    rows = [[what, *(values.get(model, "") for model in given.models)] for what, values in found.items()]
    store("imagenet_path", columns, rows)
    print(table(columns, rows))


if __name__ == "__main__":
    main()
