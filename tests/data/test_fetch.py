"""Fetching known sets from a server on this machine: what a broken or killed download left is not fetched again."""

import hashlib
import io
import tarfile
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torchvision
from huggingface_hub import file_download
from PIL import Image

from dimap_core.data import registry, sets
from dimap_core.types.errors import DataError, Offline

BREAKS_AT = 300_000


def archive():
    """A tree like Imagenette's, larger than what comes before the connection breaks."""
    content, noise = io.BytesIO(), np.random.default_rng(0).integers(0, 256, (360, 360, 3), np.uint8)
    picture = io.BytesIO()
    Image.fromarray(noise).save(picture, "PNG")
    with tarfile.open(fileobj=content, mode="w:gz") as packed:
        for split in ("train", "val"):
            entry = tarfile.TarInfo(f"imagenette2-320/{split}/n01440764/1.png")
            entry.size = len(picture.getvalue())
            packed.addfile(entry, io.BytesIO(picture.getvalue()))
    return content.getvalue()


@pytest.fixture(scope="module")
def content():
    return archive()


class Server(ThreadingHTTPServer):
    """Serves one file, or as much of it as comes before `breaks_at`; `asked`: where each request began."""

    def __init__(self, content):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.breaks_at, self.ranges, self.asked = content, None, True, []

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}/imagenette2-320.tgz"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        content, wanted = self.server.content, self.headers.get("Range") if self.server.ranges else None
        start = int(wanted.removeprefix("bytes=").partition("-")[0]) if wanted else 0
        self.server.asked.append(start)
        if start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(content) - start))
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        self.wfile.write(content[start : self.server.breaks_at])
        self.close_connection = True

    def log_message(self, *_):
        pass


@pytest.fixture
def server(content, tmp_path, monkeypatch):
    """The only place that Imagenette can be had from; the client waits for nothing between two tries."""
    found = Server(content)
    threading.Thread(target=found.serve_forever, args=(0.01,), daemon=True).start()
    archive = found.address, hashlib.md5(content).hexdigest()
    rows = (replace(row, archive=archive) if row.key == "imagenette" else row for row in registry.DATASETS)
    monkeypatch.setattr(registry, "DATASETS", tuple(rows))
    monkeypatch.setenv("DIMAP_DATA", str(tmp_path))
    monkeypatch.setattr(file_download.time, "sleep", lambda _: None)
    yield found
    found.shutdown()
    found.server_close()


@pytest.fixture
def part(tmp_path):
    """Where a killed download has left what had come."""
    return tmp_path / "imagenette2-320.tgz.part"


def test_what_had_come_before_the_connection_broke_is_not_fetched_again(server, content, part, tmp_path):
    server.breaks_at = BREAKS_AT
    with pytest.raises(Offline, match="could not be fetched"):
        sets.fetch("imagenette")
    assert server.asked[0] == 0
    assert 0 < part.stat().st_size <= BREAKS_AT and part.read_bytes() == content[: part.stat().st_size]
    had, server.breaks_at, server.asked = part.stat().st_size, None, []
    path = sets.fetch("imagenette")
    assert server.asked == [had] and path == tmp_path / "imagenette2-320"
    assert sorted(found.name for found in tmp_path.iterdir()) == ["imagenette2-320", "imagenette2-320.tgz"]
    assert len(list(path.glob("*/n01440764/1.png"))) == 2
    assert sets.fetch("imagenette") == path and server.asked == [had]  # it is there


@pytest.mark.parametrize("left", ["whole", "other", "longer"])
def test_what_a_killed_process_left_ends_as_the_file_that_was_published(server, content, part, left):
    before = {"whole": content, "other": bytes(len(content) // 2), "longer": content + b"0"}[left]
    part.write_bytes(before)
    assert sets.fetch("imagenette").is_dir()
    assert server.asked == [len(before)] + [0] * (left != "whole")


def test_a_server_that_knows_no_ranges_sends_all_again(server, content, part):
    part.write_bytes(content[:1000])
    server.ranges = False
    assert sets.fetch("imagenette").is_dir() and server.asked == [0]


def test_another_file_than_the_published_one_is_refused_and_not_kept(server, part, tmp_path):
    server.content = b"not what was published"
    with pytest.raises(DataError, match="is not the file that was published there"):
        sets.fetch("imagenette")
    assert not part.exists() and not (tmp_path / "imagenette2-320").exists()


def test_a_set_that_is_no_archive_is_not_taken_for_imagenette(server, monkeypatch):
    flowers = registry.ImageSet("flowers", "Flowers", places=("flowers",))
    monkeypatch.setattr(registry, "DATASETS", (*registry.DATASETS, flowers))
    with pytest.raises(DataError, match="'flowers' cannot be fetched"):
        sets.fetch("flowers")
    assert server.asked == []


def test_what_can_be_fetched_is_what_torchvision_knows():
    known = {"cifar10": torchvision.datasets.CIFAR10, "cifar100": torchvision.datasets.CIFAR100}
    published = {key: (kind.url, kind.tgz_md5) for key, kind in known.items()}
    published["imagenette"] = torchvision.datasets.Imagenette._ARCHIVES["320px"]
    assert {row.key: row.archive for row in registry.DATASETS if row.archive} == published
