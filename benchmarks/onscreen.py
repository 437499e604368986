"""What a hand on the map sees: from a key, or a pointer that moves, to what changes on screen, in a real browser.

    python -m benchmarks.onscreen [--moves 14] [--browser /usr/bin/chromium] [MODEL ...]

A server of its own, one visitor, 1440 x 900. A move ends when the text has changed, seen by the page itself; accuracy
is new at every move; models that are not bundled have random weights, whose cuts are counted and not judged. Frames and
kilobytes are those of one key, from the server, until its counts are confirmed.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

from playwright.sync_api import Page, sync_playwright

from dimap_core.models import bundled

from .measured import command_line, store, table

MODELS = ("swin-textured", "deit-textured", "swin_base_patch4_window7_224", "deit_base_patch16_224")
_START, _PATIENCE = 120_000, 60_000  # ms
_READY = "() => document.querySelector('[data-testid=stApp]')?.dataset.testScriptState === 'notRunning'"
_HELPERS = """
window.deep = (selector, at = 0) => {
  const found = [];
  const look = (root) => {
    found.push(...root.querySelectorAll(selector));
    for (const node of root.querySelectorAll('*')) if (node.shadowRoot) look(node.shadowRoot);
  };
  look(document);
  return found[at];
};
window.until = (what) => new Promise((resolve) => {
  const begun = performance.now();
  const look = () => (what() ? resolve(performance.now() - begun) : requestAnimationFrame(look));
  look();
});
window.text = (selector, at) => window.deep(selector, at)?.innerText ?? '';
"""
_KEY = """async ([at, name]) => {
  const knob = window.deep('.map .knob', at), left = () => knob.getAttribute('aria-valuetext');
  const before = left(), begun = performance.now();
  knob.dispatchEvent(new KeyboardEvent('keydown', {key: name, bubbles: true}));
  const counts = performance.now() - begun, moved = left() !== before;
  const seq = window.dimapFeed.data.seq;
  const heard = await window.until(() => window.dimapFeed.data.seq > seq);
  if (!window.dimapFeed.data.plot) return {counts, moved, heard};
  const first = await window.until(() => /n = /.test(window.text('.answer .big .below')));
  const all = await window.until(() => !window.dimapFeed.data.running);
  return {counts, moved, heard, first: heard + first, all: heard + first + all};
}"""
_DRAG = """async (at) => {
  const track = window.deep('.map .track', at), box = track.getBoundingClientRect(), times = [], frames = [];
  const send = (kind, share) => track.dispatchEvent(new PointerEvent(kind, {
    clientX: box.left + share * box.width, clientY: box.top + 9, pointerId: 1, bubbles: true, button: 0,
  }));
  track.setPointerCapture = () => {};
  track.hasPointerCapture = () => true;
  send('pointerdown', 0.5);
  for (let step = 0; step < 90; step += 1) {
    frames.push(await new Promise(requestAnimationFrame));
    const begun = performance.now();
    send('pointermove', 0.5 + 0.3 * Math.sin(step / 12));
    times.push(performance.now() - begun);
  }
  send('pointerup', 0.5);
  const gaps = frames.slice(1).map((now, n) => now - frames[n]);
  return {times, rate: 1000 * gaps.length / gaps.reduce((a, b) => a + b, 0)};
}"""
_SHIFT = """() => {
  window.shifted = 0;
  new PerformanceObserver((list) => { for (const one of list.getEntries()) window.shifted += one.value; })
    .observe({type: 'layout-shift'});
}"""


@contextmanager
def served() -> Iterator[str]:
    """The address of a fresh server."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as home:
        command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
        server = subprocess.Popen(command, env={**os.environ, "DIMAP_HOME": home}, stdout=subprocess.DEVNULL)
        try:
            for _ in range(600):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait()


def measure(page: Page, url: str, moves: int) -> dict[str, Any]:
    """Milliseconds of each kind, and what was sent for a key."""
    sent: list[int] = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: sent.append(len(frame))))
    page.add_init_script(_HELPERS)
    page.goto(url)
    page.wait_for_function("() => window.dimapFeed?.data?.cut && !window.dimapFeed.data.running", timeout=_START)
    page.wait_for_timeout(2000)
    page.evaluate(_SHIFT)
    found: dict[str, Any] = {"keys": [], "kB": [], "frames": []}
    for move in range(moves):
        sent.clear()
        heard = page.evaluate(_KEY, [move % 4, "ArrowLeft"])
        if not heard["moved"]:
            raise RuntimeError("a key changed no count at once")
        found["keys"].append(heard)
        page.wait_for_timeout(1500)  # the page around has followed
        page.wait_for_function(_READY, timeout=_PATIENCE)
    sent.clear()
    page.evaluate(_KEY.replace("if (!window.dimapFeed.data.plot)", ""), [2, "ArrowLeft"])
    found["kB"], found["frames"] = sum(sent) / 1000, len(sent)
    page.wait_for_timeout(3000)
    found["drag"] = page.evaluate(_DRAG, 1)
    page.wait_for_timeout(3000)
    found["shift"] = page.evaluate("window.shifted")
    return found


def cells(found: dict[str, Any]) -> dict[str, str]:
    """Rows of the table."""

    def seconds(what: str) -> str:
        values = [key[what] for key in found["keys"] if what in key]
        if not values:
            return "not judged"
        return f"{median(values) / 1000:.2f} s ({max(values) / 1000:.2f})"

    counts = [key["counts"] for key in found["keys"]]
    times = sorted(found["drag"]["times"])
    return {
        "counts, from the page's own tables": f"{median(counts):.1f} ms ({max(counts):.1f})",
        "counts": seconds("heard"),
        "first accuracy": seconds("first"),
        "all images": seconds("all"),
        "counts of a dragged stage": f"{median(times):.1f} ms (95 %: {times[int(0.95 * len(times))]:.1f})",
        "frames a second of a drag": f"{found['drag']['rate']:.0f}",
        "sent for a key, until its counts are confirmed": f"{found['kB']:.1f} kB in {found['frames']} messages",
        "layout shift of all moves, once loaded": f"{found['shift']:.3f}",
    }


def main() -> None:
    """Measure and print a table."""
    parser = command_line(__doc__, MODELS)
    parser.add_argument("--moves", type=int, default=14)
    parser.add_argument("--browser", default="/usr/bin/chromium")
    given = parser.parse_args()
    columns: dict[str, dict[str, str]] = {}
    with served() as address, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=given.browser, args=["--no-sandbox"])
        for name in given.models:
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            weights = "pretrained" if bundled(name) else "random"
            columns[name] = cells(measure(page, f"{address}/?model={name}&weights={weights}", given.moves))
            page.close()
        browser.close()
    rows = [[row, *(column[row] for column in columns.values())] for row in next(iter(columns.values()))]
    header = ["from the key to", *(f"`{name}`" for name in columns)]
    store("screen", header, rows)
    print(table(header, rows))


if __name__ == "__main__":
    main()
