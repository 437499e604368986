"""Repositories of the model hub: a stand-in of the hub on this machine, and its real client."""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from dimap_core.models.files import among
from dimap_core.models.load import load_model
from dimap_core.types.errors import UnsupportedModel
from dimap_core.types.model_name import ModelName
from tests.helpers import assert_refused
from tests.models.foreign import DEIT, named
from tests.models.test_foreign_files import hugging_face
from tests.models.test_model_folders import CONFIG, SETTINGS, write
from tests.models.test_preprocessing import SQUASHED

ROOT = Path(__file__).parents[2]
REPO = "someone/vit-of-theirs"
CLIENT = """
import json, sys
from huggingface_hub import constants
from dimap_core.models import footprint
from dimap_core.models.load import fetch_weights, load_model
from dimap_core.types import PruningError

told = []
for name in sys.argv[1:]:
    try:
        doing = {event["doing"] for event in fetch_weights(name) if event}
        info = load_model(name, named_only=True)[1]
        told.append([info.name, info.fingerprint, info.class_names, info.learned["std"], info.dense["file"]])
        constants.ENDPOINT = "http://127.0.0.1:9"  # from now on offline
        assert load_model(name)[1].fingerprint == info.fingerprint
        assert footprint.footprint(name).weights > 100_000
    except PruningError as error:
        told.append([type(error).__name__, str(error)])
print(json.dumps(told))
"""


@pytest.fixture
def hub(tmp_path):
    """(address, folder that is served as `REPO`)."""
    folder = tmp_path / "theirs"
    write(folder, hugging_face(named(DEIT, **SETTINGS).state_dict(), 5, "vit"), files=2)
    (folder / "preprocessor_config.json").write_text(json.dumps(SQUASHED))
    (folder / "README.md").write_text("not fetched")

    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.do_GET(body=False)

        def do_GET(self, body=True):
            kept, name = folder / self.path.rpartition("/")[2], self.path.partition("?")[0]
            if name in (f"/api/models/{REPO}", f"/api/models/{REPO}/revision/main"):
                listed = [{"rfilename": one.name, "size": size(one)} for one in folder.iterdir()]
                self.answer(200, json.dumps({"id": REPO, "siblings": listed}).encode(), body)
            elif self.path.startswith(f"/{REPO}/resolve/main/") and kept.is_file() and kept.name != "README.md":
                self.answer(200, kept.read_bytes(), body, kept.name)
            elif self.path == "/":
                self.answer(200, b"", body)
            else:
                self.answer(404, b"", body, error="EntryNotFound" if REPO in self.path else "RepoNotFound")

        def answer(self, status, content, body, name="x", error=""):
            self.send_response(status)
            for key, value in {"Content-Length": len(content), "X-Repo-Commit": "c" * 40, "ETag": f'"{name}"'}.items():
                self.send_header(key, str(value))
            if error:
                self.send_header("X-Error-Code", error)
            self.end_headers()
            if body:
                self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", folder
    server.shutdown()
    server.server_close()


def size(file):
    """As the hub tells it; of pytorch_model.bin far more than is fetched."""
    return 2**43 if file.name == "pytorch_model.bin" else file.stat().st_size


def run(address, home, *names):
    environment = {**os.environ, "HF_ENDPOINT": address, "HF_HOME": str(home), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", CLIENT, *names], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
    )
    assert not done.returncode, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_a_repository_is_fetched_opened_and_read_from_the_cache_when_offline(hub, tmp_path):
    address, folder = hub
    wanted = load_model(str(folder))[1]
    said = f"{REPO}@?mean=0.25&crop_pct=0.5"
    (name, fingerprint, classes, std, dense), (_, other, *_, again) = run(address, tmp_path / "home", REPO, said)
    assert (name, fingerprint, tuple(classes)) == (REPO, wanted.fingerprint, wanted.class_names)
    assert (std, dense) == ("its config", REPO) and again == said and other != fingerprint
    kept = tmp_path / "home" / "hub" / f"models--{REPO.replace('/', '--')}" / "snapshots"
    assert {path.name for path in kept.rglob("*.*")} == {path.name for path in folder.iterdir()} - {"README.md"}


def test_what_is_not_there_is_one_sentence(hub, tmp_path):
    ((kind, said),) = run("http://127.0.0.1:9", tmp_path / "home", REPO)
    assert kind == "Offline" and "no hub was reached" in said and "checkpoint file" in said
    (hub[1] / "model.safetensors.index.json").unlink()
    unknown, without = run(hub[0], tmp_path / "home", "nobody/nothing", REPO)
    assert unknown[0] == without[0] == "CheckpointError"
    assert "no public 'nobody/nothing'" in unknown[1] and "no config.json with weights" in without[1]


@pytest.mark.parametrize("kind", ["llama", "vit"])
def test_whoever_may_name_a_model_may_not_fill_the_disk(hub, tmp_path, kind):
    (hub[1] / "model.safetensors.index.json").unlink()
    (hub[1] / "pytorch_model.bin").write_bytes(b"served to nobody")
    (hub[1] / "config.json").write_text(json.dumps({**CONFIG, "model_type": kind}))
    ((error, said),) = run(hub[0], tmp_path / "home", REPO)
    assert error == "CheckpointError" and ("is a 'llama'" if kind == "llama" else "are 8192.0 GiB") in said
    assert not [*(tmp_path / "home").rglob("pytorch_model.bin*")]


def test_which_names_are_repositories_and_which_files_of_one_are_needed():
    wanted = {REPO: True, f"{REPO}@?img_size=32": True, "timm/swin_tiny": False, "swin_tiny": False, "/a/b": False}
    wanted |= {"file:a/b": False, "a/b/c": False, "../b": False, "~/b": False, "a/..": False}
    assert {name: ModelName.parse(name).repository for name in wanted} == wanted
    parts = [f"pytorch_model-0000{n}-of-00002.bin" for n in (1, 2)]
    assert among([*parts, "pytorch_model.bin.index.json", "x"]) == ["pytorch_model.bin.index.json", *parts]
    assert among(["pytorch_model.bin", "model.safetensors", "a"]) == ["model.safetensors"] and among(["x.bin"]) == []
    assert_refused(UnsupportedModel, lambda: load_model(REPO, "random"), REPO, "timm's names")
