"""The job that brings a set of images, from a server on this machine: how far it is, stopped, killed, offline."""

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace

import pytest
from huggingface_hub import file_download

from dimap_core.data import registry
from dimap_core.service import runner
from dimap_core.service.jobs import Ledger
from tests.data.test_fetch import Handler, Server, archive
from tests.helpers import wait

FIRST = 300_000
"""Bytes that the server sends before it waits to be let go; the client takes 256 KiB at a time."""
# A process of a job as the app starts it, which knows the set from nowhere but the server.
RUNNER = """
import sys
from dataclasses import replace
from dimap_core.data import registry
from dimap_core.service import runner
known = {"imagenette": {"archive": (sys.argv[3], sys.argv[4])}}
registry.DATASETS = tuple(replace(row, **known.get(row.key, {})) for row in registry.DATASETS)
runner.main()
"""


class Halting(Handler):
    def do_GET(self):
        content, wanted = self.server.content, self.headers.get("Range")
        start = int(wanted.removeprefix("bytes=").partition("-")[0]) if wanted else 0
        self.server.asked.append(start)
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(content) - start))
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        self.wfile.write(content[start : start + FIRST])
        self.server.go.wait()
        self.wfile.write(content[start + FIRST :])
        self.close_connection = True

    def handle(self):
        with contextlib.suppress(OSError):  # the client was killed
            super().handle()


@pytest.fixture(scope="module")
def content():
    return archive()


@pytest.fixture
def server(content, tmp_path, monkeypatch):
    """Where Imagenette can be had from; it sends all at once when `go` is set."""
    found = Server(content)
    found.RequestHandlerClass, found.go = Halting, threading.Event()
    threading.Thread(target=found.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setenv("DIMAP_DATA", str(tmp_path / "data"))
    knows(monkeypatch, found.address, hashlib.md5(content).hexdigest())
    yield found
    found.go.set()
    found.shutdown()
    found.server_close()


def knows(monkeypatch, address, md5):
    rows = (replace(row, archive=(address, md5)) if row.key == "imagenette" else row for row in registry.DATASETS)
    monkeypatch.setattr(registry, "DATASETS", tuple(rows))


@pytest.fixture
def ledger(tmp_path):
    made = Ledger(tmp_path / "jobs")
    yield made
    made.close()


def running(ledger):
    token = ledger.add("fetch", "Imagenette, fetched", {"set": "imagenette"})
    ledger.move(token, "running", "waiting")
    return token


def part(tmp_path):
    return tmp_path / "data" / "imagenette2-320.tgz.part"


def test_it_tells_how_far_it_is_and_can_be_stopped(server, ledger, content, tmp_path):
    token = running(ledger)
    working = threading.Thread(target=runner.run, args=(ledger, token))
    working.start()
    wait(lambda: ledger.find(token).progress.get("done"), "the first bytes")
    told = ledger.find(token).progress
    assert (told["doing"], told["total"]) == ("Fetching Imagenette", len(content))
    assert 0 < told["done"] <= FIRST and told["left"] > 0
    ledger.move(token, "cancelled", "running")
    working.join(60)
    assert not working.is_alive() and ledger.state(token) == "cancelled" and server.asked == [0]
    server.go.set()


def test_a_killed_one_goes_on_where_it_was_and_ends_with_the_set(server, ledger, content, tmp_path):
    token = running(ledger)
    known = [server.address, hashlib.md5(content).hexdigest()]
    command = [sys.executable, "-c", RUNNER, str(ledger.folder), token, *known]
    process = subprocess.Popen(command, stdin=subprocess.PIPE)
    wait(lambda: part(tmp_path).exists() and part(tmp_path).stat().st_size, "the first bytes")
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdin.close()
    had = part(tmp_path).stat().st_size
    assert 0 < had < len(content) and ledger.state(token) == "running"  # the app calls it interrupted
    server.go.set()
    runner.run(ledger, token)
    done = ledger.find(token)
    assert (done.state, done.result) == ("done", {"set": "imagenette"}) and server.asked == [0, had]
    assert len(list((tmp_path / "data" / "imagenette2-320").glob("*/n01440764/1.png"))) == 2
    again = running(ledger)
    runner.run(ledger, again)  # what is here is not asked for
    assert ledger.find(again).state == "done" and server.asked == [0, had]


def test_offline_it_fails_with_one_sentence_and_nothing_is_lost(server, ledger, content, tmp_path, monkeypatch):
    knows(monkeypatch, "http://127.0.0.1:9/imagenette2-320.tgz", hashlib.md5(content).hexdigest())
    monkeypatch.setattr(file_download.time, "sleep", lambda _: None)
    part(tmp_path).parent.mkdir()
    part(tmp_path).write_bytes(content[:1000])
    token = running(ledger)
    runner.run(ledger, token)
    failed = ledger.find(token)
    place = tmp_path / "data"
    assert failed.state == "failed" and failed.error == (
        f"Imagenette could not be fetched (ConnectError); connect to the internet, or put it into '{place}' yourself."
    )
    assert part(tmp_path).read_bytes() == content[:1000]
