"""A model hub on this machine and a folder of photographs, to try what needs both where no network is.

    python -m benchmarks.stand_in FOLDER [--files 1000] [--classes 1000] [--megabytes 20] [MODEL ...]

The hub has timm's names and files of true size with random weights: accuracy means nothing. It sends so many
megabytes a second to each connection and answers as the real one does: by a redirection, with the SHA-256 of what it
has, and from the byte that is asked for. The folder holds 500 x 375 JPEGs of noise in sub-folders named by wnids. What
to set is printed; Ctrl-C ends it.
Next door: `images` makes the photographs, `imagenet_path` measures with both.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import timm
import torch
from safetensors.torch import save
from timm.data import ImageNetInfo

from . import images
from .measured import command_line

MODELS = ("swin_tiny_patch4_window7_224.ms_in1k", "deit_small_patch16_224.fb_in1k")
_PIECE = 256 * 1024  # bytes between two looks at the clock
_COMMIT = "c" * 40


@dataclass
class Hub:
    """What is served: `files` by path, `speed` in bytes a second. `served`: bytes of each file that were sent; where
    `breaks_at` is set, the next connection breaks at that byte of its file."""

    files: dict[str, bytes]
    speed: float
    served: dict[str, int] = field(default_factory=dict)
    breaks_at: int | None = None
    address: str = ""


def weights(name: str) -> bytes:
    """A safetensors file as the hub has it of a timm model, with seeded random weights."""
    torch.manual_seed(0)
    return save(timm.create_model(name).state_dict())


@contextmanager
def hub(models: Iterable[str], megabytes: float) -> Iterator[Hub]:
    """Serve the models' files."""
    paths = {f"/{timm.get_pretrained_cfg(name).hf_hub_id}/resolve/main/model.safetensors": name for name in models}
    serving = Hub({path: weights(name) for path, name in paths.items()}, 1e6 * megabytes)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(serving))
    serving.address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield serving
    finally:
        server.shutdown()
        server.server_close()


def _elsewhere(address: str) -> str:
    """The same server under another host's name: the client follows no redirection to another one for what it asks of
    the hub, and takes what the hub says of the file."""
    return address.replace("127.0.0.1", "localhost")


def _handler(serving: Hub) -> type[BaseHTTPRequestHandler]:
    hashes = {path: hashlib.sha256(content).hexdigest() for path, content in serving.files.items()}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer()

        def do_GET(self) -> None:
            if (content := self._answer()) is not None:
                self._send(*content)

        def _answer(self) -> tuple[str, int] | None:
            """The head of an answer; (path, first byte) where content is to follow."""
            path = self.path.removeprefix("/stored")
            if path not in serving.files:
                self._head(200 if path == "/" else 404, 0, {} if path == "/" else {"X-Error-Code": "EntryNotFound"})
                return None
            size = len(serving.files[path])
            if path == self.path:  # as the hub answers for large files: they lie elsewhere
                told = {"X-Repo-Commit": _COMMIT, "X-Linked-Etag": f'"{hashes[path]}"', "X-Linked-Size": str(size)}
                self._head(302, 0, {**told, "Location": f"{_elsewhere(serving.address)}/stored{path}"})
                return None
            wanted = self.headers.get("Range", "")
            start = int(wanted.removeprefix("bytes=").partition("-")[0]) if wanted else 0
            if start >= size:
                self._head(416, 0, {"Content-Range": f"bytes */{size}"})
                return None
            part = {"Content-Range": f"bytes {start}-{size - 1}/{size}"} if wanted else {}
            self._head(206 if wanted else 200, size - start, part)
            return path, start

        def _head(self, status: int, length: int, more: dict[str, str]) -> None:
            self.send_response(status)
            for key, value in {"Content-Length": str(length), **more}.items():
                self.send_header(key, value)
            self.end_headers()

        def _send(self, path: str, start: int) -> None:
            content, begun = memoryview(serving.files[path]), time.monotonic()
            end, serving.breaks_at = min(serving.breaks_at or len(content), len(content)), None
            for at in range(start, end, _PIECE):
                piece = content[at : min(at + _PIECE, end)]
                try:
                    self.wfile.write(piece)
                except OSError:  # whoever asked has gone
                    break
                serving.served[path] = serving.served.get(path, 0) + len(piece)
                time.sleep(max(0.0, begun + (at + len(piece) - start) / serving.speed - time.monotonic()))
            self.close_connection = self.close_connection or end < len(content)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def main() -> None:
    """Make the photographs, serve the files, and say what to set."""
    parser = command_line(__doc__, MODELS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--classes", type=int, default=len(ImageNetInfo().label_names()))
    parser.add_argument("--megabytes", type=float, default=20.0, help="a second, to each connection")
    given = parser.parse_args()
    photographs = given.folder / "val"
    if not photographs.exists():
        photographs.mkdir(parents=True)
        images.folder(photographs, given.files, given.classes)
    with hub(given.models, given.megabytes) as serving:
        print(f"export HF_ENDPOINT={serving.address} HF_HOME={given.folder / 'hub'}", flush=True)
        print(f"photographs: {photographs}", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
