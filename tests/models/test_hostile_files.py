"""Hostile and damaged checkpoint files, made on the fly: each is one sentence, runs nothing, takes no memory to speak
of and leaves nothing on disk. All are opened by one process of their own, which survives."""

import io
import json
import os
import pickle
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save, save_file

from dimap_core import pipeline
from dimap_core.models import checkpoints
from dimap_core.service.worker import Worker
from dimap_core.types.plan import PruningPlan

ROOT = Path(__file__).parents[2]
INERT = ("code.pth", "ten gigabytes of zeros.pth")  # what they hold beside weights is not looked at
ALLOWED = 40  # MiB that opening a hostile file may add to the process's peak
SETTINGS = {"img_size": 32, "window_size": 4, "embed_dim": 12, "depths": (1, 1), "num_heads": (1, 2), "num_classes": 4}
OPENER = """
import json, sys
from pathlib import Path
from dimap_core.types.errors import PruningError
from dimap_core.models.load import load_model

def kib(what):
    return int(Path("/proc/self/status").read_text().split(what + ":")[1].split()[0])

load_model("swin-digits")
for path in sys.argv[1:]:
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = kib("VmRSS")
    try:
        load_model("file:" + path)
        said = "opened"
    except PruningError as error:
        said = f"{type(error).__name__}: {error}"
    print(json.dumps([path, said, (kib("VmHWM") - before) / 1024]))
"""


class Code:
    """What runs `touch` when it is unpickled without care."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


class Large:
    """What torch.load(weights_only=True) lets through: ten gigabytes of zeros."""

    def __reduce__(self):
        return bytearray, (10**10,)


def state():
    torch.manual_seed(0)
    return timm.create_model("swin_tiny_patch4_window7_224", **SETTINGS).state_dict()


def torch_bytes(content):
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


def compressed(content):
    """torch.save's zip with its members deflated: small on disk, large in memory."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(torch_bytes(content))) as old,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for item in old.infolist():
            new.writestr(item.filename, old.read(item))
    return out.getvalue()


def safetensors(header, data=b"\0" * 64, length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def tensor(start, end, shape=(4,), dtype="F32"):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [start, end]}


def many_members(count):
    """A zip whose directory lists one member ever again."""
    item = struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 0, 0, 33, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
    start, listed = b"PK\3\4" + bytes(27), item * count
    few = min(count, 2**16 - 1)
    return start + listed + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, few, few, len(listed), len(start), 0)


def own_zip(folder, **changes):
    """The zip of a pruned checkpoint with some members replaced, added (text) or dropped (None)."""
    out = io.BytesIO()
    content = {path.name: path.read_bytes() for path in folder.iterdir()} | changes
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in content.items():
            if data is not None:
                pack = zipfile.ZIP_DEFLATED if len(data) > 2**24 else zipfile.ZIP_STORED
                archive.writestr(name, data, pack, compresslevel=1)
    return out.getvalue()


def linked(folder):
    out = io.BytesIO(own_zip(folder, **{"model.safetensors": None}))
    with zipfile.ZipFile(out, "a") as archive:
        link = zipfile.ZipInfo("model.safetensors")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    return out.getvalue()


def carded(folder, **changes):
    card = json.loads((folder / "card.json").read_text()) | changes
    return own_zip(folder, **{"card.json": json.dumps(card)})


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """Name -> bytes of every hostile file, and the marker that none of them may leave."""
    place = tmp_path_factory.mktemp("made")
    marker, good = place / "ran", state()
    opened = pipeline.open_model("swin-digits", "random")
    pipeline.save_pruned(place / "own", opened, PruningPlan(ratio=0.5))
    checkpoints.write(
        place / "nan",
        {name: value * float("nan") for name, value in opened.model.state_dict().items()},
        {"model": "swin-digits", "weights": "trained"},
    )
    own, plain, sealed = place / "own", torch_bytes(good), save(good)
    key = "layers.0.blocks.0.attn.qkv.weight"
    many = {f"{name}": tensor(0, 0, (0,)) for name in range(30_000)}
    card = json.loads((own / "card.json").read_text())
    files = {
        "code.pth": torch_bytes({"model": good, "hook": Code(marker)}),
        "code, old format.pth": pickle.dumps(Code(marker), protocol=2),
        "code, no zip.bin": pickle.dumps(Code(marker), protocol=4),
        "ten gigabytes of zeros.pth": torch_bytes({"model": good, "more": Large()}),
        "compressed.pth": compressed({**good, "zeros": torch.zeros(2**24)}),
        "10^10 elements.pth": torch_bytes({**good, key: torch.zeros(1).expand(10**10)}),
        "wrong shapes.pth": torch_bytes({**good, key: torch.zeros(3, 5)}),
        "no shapes.pth": torch_bytes({name: torch.zeros(0) for name in good}),
        "scalars.pth": torch_bytes({name: torch.tensor(1.0) for name in good}),
        "integers.pth": torch_bytes({name: value.long() for name, value in good.items()}),
        "nan.pth": torch_bytes({**good, key: torch.full_like(good[key], float("nan"))}),
        "inf.safetensors": save({**good, key: torch.full_like(good[key], float("inf"))}),
        "a tensor missing.pth": torch_bytes({name: value for name, value in good.items() if name != key}),
        "a tensor too many.pth": torch_bytes({**good, "evil": torch.zeros(1)}),
        "not tensors.pth": torch_bytes({"epoch": 3, "model": [1, 2]}),
        "a list.pth": torch_bytes([1, 2, 3]),
        "30,000 tensors.safetensors": safetensors(many, b""),
        "truncated.pth": plain[: len(plain) // 2],
        "without its end.pth": plain[:-100],
        "truncated.safetensors": sealed[: len(sealed) // 2],
        "header of 2^60 bytes.safetensors": safetensors({"a": tensor(0, 16)}, length=2**60),
        "header longer than the file.safetensors": safetensors({"a": tensor(0, 16)}, length=10_000),
        "header of spaces.safetensors": safetensors(b"{" + b" " * 8_000_000 + b"}"),
        "offsets beyond the file.safetensors": safetensors({"a": tensor(0, 10**12, (25 * 10**10,))}),
        "overlapping.safetensors": safetensors({"a": tensor(0, 16), "b": tensor(8, 24)}),
        "shape and offsets differ.safetensors": safetensors({"a": tensor(0, 16, (10**10,))}),
        "unknown type.safetensors": safetensors({"a": tensor(0, 64, (16,), "F99")}),
        "no header.safetensors": safetensors(b"{{{{"),
        "deep header.safetensors": safetensors(b'{"a":' * 100_000),
        "empty.pth": b"",
        "empty.safetensors": b"",
        "text.pth": "kein Modell, näh\n".encode() * 50,
        "picture.pth": b"\x89PNG\r\n\x1a\n" + b"\0" * 500,
        "empty zip.pth": own_zip(own, **dict.fromkeys(("model.safetensors", "card.json", "recipe.json"))),
        "schöne Gewichte 重み \u202e" + "x" * 150 + ".pth": torch_bytes({"重み" * 5000: torch.zeros(2)}),
        "a name like a sentence.pth": torch_bytes({"\n**[x](javascript:1)**\x00": torch.zeros(2)}),
        "a million members.pth": many_members(10**6),
        "slip.zip": own_zip(own, **{"../../slipped": "x"}),
        "absolute.zip": own_zip(own, **{"/tmp/slipped": "x"}),
        "nan.zip": own_zip(place / "nan"),
        "link.zip": linked(own),
        "bomb.zip": own_zip(own, **{"model.safetensors": b"\0" * 2**26}),
        "bomb card.zip": own_zip(own, **{"card.json": b" " * 2**26}),
        "other weights.zip": own_zip(own, **{"model.safetensors": sealed}),
        "deep card.zip": own_zip(own, **{"card.json": b"[" * 200_000}),
        "no card.zip": own_zip(own, **{"card.json": b"{}"}),
        "huge model.zip": carded(own, model="swin_tiny_patch4_window7_224", settings={"embed_dim": 10**9}),
        "deep model.zip": carded(own, model="swin_tiny_patch4_window7_224", settings={"depths": [10**9, 1, 1, 1]}),
        "huge windows.zip": carded(own, model="swin_tiny_patch4_window7_224", settings={"window_size": [60] * 4}),
        "unknown settings.zip": carded(own, model="swin-textured", settings={"act_layer": "os.system"}),
        "no model.zip": carded(own, model="../../etc/passwd"),
        "kept as it likes.zip": carded(own, kept={"layers.0.blocks.0": {"mlp_neuron": 10**9}}),
        "card of another.zip": own_zip(own, **{"card.json": json.dumps({**card, "model": "deit-digits"})}),
    }  # fmt: skip
    return files, marker


def test_each_is_one_sentence_runs_nothing_and_takes_no_memory(hostile, tmp_path):
    files, marker = hostile
    place, temporary = tmp_path / "files", tmp_path / "temporary"
    place.mkdir(), temporary.mkdir()
    for name, content in files.items():
        (place / name).write_bytes(content)
    paths = [str(place / name) for name in files]
    environment = {**os.environ, "TMPDIR": str(temporary), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", OPENER, *paths]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [path for path, _, _ in rows] == paths
    for path, said, grown in rows:
        name = Path(path).name
        print(f"{name[:44]:44} {grown:7.1f} MiB  {said}")
        assert grown < ALLOWED, (name, grown)
        if name in INERT:
            assert said == "opened", (name, said)
            continue
        kind, _, sentence = said.partition(": ")
        assert kind in ("CheckpointError", "UnsupportedModel"), (name, said)
        assert str(tmp_path) not in sentence, (name, said)
        assert len(sentence.splitlines()) == 1 and sentence.endswith((".", "?")) and len(sentence) < 500, (name, said)
    assert not marker.exists()
    assert list(temporary.iterdir()) == []
    assert {path.name for path in place.iterdir()} == set(files)


def test_the_worker_goes_on_after_hostile_files(hostile, tmp_path):
    files, _ = hostile
    worker, errors = Worker(tmp_path / "worker"), []
    recipe = {"version": 1, "criterion": "dimap"}
    for name in ("compressed.pth", "10^10 elements.pth", "nan.pth", "bomb.zip"):
        (tmp_path / name).write_bytes(files[name])
    save_file(state(), tmp_path / "good.safetensors")
    for number, name in enumerate((*files.keys() & {p.name for p in tmp_path.iterdir()}, "good.safetensors")):
        message = {"kind": "open", "model": f"file:{tmp_path / name}", "weights": "pretrained", "recipe": recipe}
        worker.accept({**message, "session": "s", "channel": "open", "ticket": str(number)})
        events = []
        while worker.busy:
            events.append(worker.step())
        errors += [event["error"] for event in events if "error" in event]
    assert len(errors) == 4 and all(error.endswith(".") for error in errors)
    assert Path(events[-2]["event"]["folder"], "anatomy.json").exists()
    assert sorted(path.name for path in (tmp_path / "worker").iterdir()) == [Path(events[-2]["event"]["folder"]).name]
