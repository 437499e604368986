"""The model hub: a mock-up of it on this machine, the real huggingface_hub client and timm's own loading code."""

import errno
import json
import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
import timm
import torch
from safetensors.torch import save

from dimap_core.models.hub import weights as module
from dimap_core.models.named_models import fingerprint
from dimap_core.types.errors import CheckpointError
from tests.helpers import wait

ROOT = Path(__file__).parents[2]
NAME = "test_vit.r160_in1k"
FILE = f"/timm/{NAME}/resolve/main/model.safetensors"
PIECE, BREAKS_AT = 256 * 1024, 900_000
CLIENT = """
import json, sys
from pathlib import Path
from types import SimpleNamespace
from huggingface_hub import constants
from dimap_core.service.worker import Worker
from dimap_core.models.load import load_model

worker = Worker(Path(sys.argv[1]))
recipe = {"version": 1, "criterion": "dimap"}
for session in "ab":  # two sessions want the same weights at once
    worker.accept({"kind": "open", "model": sys.argv[2], "weights": "pretrained", "recipe": recipe, "session": session,
                   "channel": "live", "ticket": session})
while worker.busy:
    event = worker.step()
    if event.get("event") != {}:
        print(json.dumps(event), flush=True)
constants.ENDPOINT = "http://127.0.0.1:9"  # from now on offline
print(json.dumps({"cached": load_model(sys.argv[2])[1].fingerprint}))
"""


@pytest.fixture
def hub():
    """A hub with one file; it sends no more than a piece before `goes_on` is set, and the first connection breaks.

    Yields (address, asked ranges, weights, size of the file, goes_on).
    """
    torch.manual_seed(6)
    weights = {key: torch.randn_like(value) for key, value in timm.create_model("test_vit").state_dict().items()}
    content, asked, goes_on = save(weights), [], threading.Event()

    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.answer(200 if self.path in ("/", FILE) else 404, len(content))

        def do_GET(self):
            if self.path != FILE:
                self.answer(404, 0)
                return
            wanted = self.headers.get("Range")
            start = int(wanted.split("=")[1].split("-")[0]) if wanted else 0
            asked.append(start)
            self.answer(206 if wanted else 200, len(content) - start, start)
            end = BREAKS_AT if len(asked) == 1 else len(content)
            for at in range(start, end, PIECE):
                self.wfile.write(content[at : min(at + PIECE, end)])
                goes_on.wait()
                time.sleep(0.1)
            if end < len(content):
                self.close_connection = True

        def answer(self, status, length, start=0):
            self.send_response(status)
            self.send_header("Content-Length", str(length))
            if status == 404:
                self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("X-Repo-Commit", "b" * 40)
            self.send_header("ETag", '"weights"')
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked, weights, len(content), goes_on
    goes_on.set()
    server.shutdown()
    server.server_close()


def test_weights_are_fetched_with_progress_resumed_and_read_from_the_cache_when_offline(hub, tmp_path):
    address, asked, weights, size, goes_on = hub
    environment = {**os.environ, "HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "home"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", CLIENT, str(tmp_path / "worker"), NAME]
    killed = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    blobs = tmp_path / "home" / "hub" / f"models--timm--{NAME}" / "blobs"
    wait(lambda: any(path.stat().st_size for path in blobs.glob("*") if path.suffix != ".lock"))
    killed.kill()
    killed.wait()
    asked.clear()
    goes_on.set()
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert not [line for line in lines if "error" in line], (lines, done.stderr[-2000:])

    for session in "ab":
        told = [line["event"] for line in lines if line.get("ticket") == session and "done" in line.get("event", {})]
        amounts = [event["done"] for event in told if event["total"] == size]
        # Whatever the pace, the second that the client waits before it tries again leaves time for an event.
        assert amounts == sorted(amounts) and any(0 < amount < size for amount in amounts), told
        assert any(event["left"] is not None and event["left"] >= 0 for event in told)
    # The first connection began where the process was killed, the second where the first one broke, each after the last
    # whole chunk; nothing was fetched twice.
    assert len(asked) == 2 and 0 < asked[0] < asked[1] == BREAKS_AT // PIECE * PIECE

    model = timm.create_model("test_vit")
    model.load_state_dict(weights)
    folders = {line["event"]["folder"] for line in lines if "folder" in line.get("event", {})}
    assert [Path(folder).name for folder in folders] == [fingerprint(model)] == [lines[-1]["cached"]]


def test_weights_that_the_disk_does_not_take_are_no_lack_of_a_network(monkeypatch, tmp_path):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(module, "get_hf_file_metadata", lambda _: SimpleNamespace(etag="0" * 40, size=1))
    monkeypatch.setattr(module, "download", full)
    monkeypatch.setattr(module, "_check_reachable", lambda: None)
    with pytest.raises(
        CheckpointError, match=r"no space left.*make room there, or choose another folder by HF_HOME\.$"
    ) as error:
        list(module.fetch(NAME))
    assert str(tmp_path) in str(error.value)
