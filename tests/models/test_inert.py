"""Training checkpoints: what lies beside the weights is never run, built or waited for; the weights are the same."""

import argparse
import collections
import enum
import io
import json
import os
import pathlib
import pickle
import random
import struct
import subprocess
import sys
import types
import zipfile

import numpy as np
import pytest
import torch
from torch import nn

from dimap_core.models import load_model
from dimap_core.models.files import inert, torch_file
from dimap_core.types import CheckpointError
from tests.models.test_hostile_files import ALLOWED, OPENER, ROOT, state, torch_bytes

TURNS = 3_000
DAMAGED = (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError, RuntimeError)


class Colour(enum.Enum):
    RED = 1


def foreign(monkeypatch, name, *bases, **content):
    """A class of a module that whoever opens the file need not have."""
    module, _, kind = name.rpartition(".")
    for part in (module.partition(".")[0], module):
        monkeypatch.setitem(sys.modules, part, types.ModuleType(part))
    made = type(kind, bases, {"__module__": module, **content})
    setattr(sys.modules[module], kind, made)
    return made


@pytest.fixture
def beside(monkeypatch):
    """What training scripts save beside the weights."""
    config = foreign(monkeypatch, "yacs.config.CfgNode", dict)(MODEL=1)
    config.__dict__["immutable"] = True
    return {
        "config": config,
        "omegaconf": foreign(monkeypatch, "omegaconf.dictconfig.DictConfig")(),
        "max_accuracy": np.float64(71.2),
        "rng": np.random.RandomState(0).get_state(),
        "colour": Colour.RED,
        "folder": pathlib.PurePosixPath("/data"),
        "args": argparse.Namespace(lr=0.1),
        "seen": {1, 2},
        "counts": collections.Counter("aab"),
    }


def loaded(tmp_path, content):
    path = tmp_path / "trained.pth"
    path.write_bytes(content if isinstance(content, bytes) else torch_bytes(content))
    return load_model(f"file:{path}")[0].state_dict()


@pytest.mark.parametrize("protocol", range(1, 6))  # 0 has no storages
def test_the_weights_of_a_training_checkpoint_are_those_that_were_saved(tmp_path, beside, protocol):
    good = state()
    file = io.BytesIO()
    torch.save({**beside, "model": good}, file, pickle_protocol=protocol)
    found = loaded(tmp_path, file.getvalue())
    assert found.keys() == good.keys()
    assert all(torch.equal(found[name], good[name]) for name in good)


def test_views_of_one_storage_and_half_precision_keep_their_values(tmp_path, beside):
    good = state()
    key = next(name for name in good if name.endswith("qkv.weight"))
    wide = torch.randn(good[key].shape[1], 2 * good[key].shape[0])
    changed = {**good, key: wide.T[::2], "norm.bias": good["norm.bias"].half()}
    found = loaded(tmp_path, {**beside, "model": changed})
    assert torch.equal(found[key], wide.T[::2]) and torch.equal(found["norm.bias"], good["norm.bias"].half().float())


@pytest.mark.parametrize("wrap", [lambda net: net, lambda net: {"epoch": 3, "model": net}])
def test_of_a_whole_model_the_tensors_are_taken_and_no_class(tmp_path, beside, wrap, monkeypatch):
    net = foreign(
        monkeypatch, "theirs.Net", nn.Module, __setstate__=lambda self, state: pytest.fail("its code was run")
    )()
    good = state()
    for name, value in good.items():
        *path, last = name.split(".")
        at = net
        for part in path:
            if part not in at._modules:
                at.add_module(part, nn.Module())
            at = at._modules[part]
        at.register_buffer(last, value)
    found = loaded(tmp_path, wrap(net))
    assert all(torch.equal(found[name], good[name]) for name in good)


def text(words):
    return b"X" + struct.pack("<I", len(words)) + words


def hostile(marker):
    """Name -> operations that leave one object on the stack."""
    run = text(b"touch " + os.fsencode(marker))
    call = b"cposix\nsystem\n"
    code = b"cbuiltins\neval\n" + text(f"__import__('os').system('touch {marker}')".encode()) + b"\x85R"
    deep = b"N\x85q\xf00" + b"h\xf0h\xf0\x86q\xf00" * 70 + b"h\xf0"
    return {
        "a call": call + run + b"\x85R",
        "a call in text": b"cposix\nsystem\n(S'touch " + os.fsencode(marker) + b"'\ntR",
        "eval": code,
        "eval's answer called": code + b")R",
        "an attribute of a module": b"cbuiltins\ngetattr\n(cos\npath\n" + text(b"join") + b"tR",
        "inst": b"(" + run + b"iposix\nsystem\n",
        "obj": b"(" + call + run + b"o",
        "newobj": call + run + b"\x85\x81",
        "newobj with keywords": call + run + b"\x85}\x92",
        "a name from the stack": text(b"posix") + text(b"system") + b"\x93" + run + b"\x85R",
        "a state that is set": b"ctypes\nSimpleNamespace\n)\x81}" + text(b"a") + call + run + b"\x85Rsb",
        "slots that are set": b"ctypes\nSimpleNamespace\n)\x81N}" + text(b"__class__") + call + b"s\x86b",
        "an extension": b"\x82\x01",
        "a name for someone else": b"Pposix\n",
        "a storage of another class": b"(" + text(b"storage") + call + text(b"0") + text(b"cpu") + b"K\x04tQ",
        "a key that takes for ever": b"}" + deep + b"Ns",
        "a set of what takes for ever": b"(" + deep + b"\x91",
        "an address of four billion": b"Nr\xff\xff\xff\xff",
        "bytes of an exabyte": b"\x8e" + struct.pack("<Q", 2**60),
        "zeros of a terabyte": b"cbuiltins\nbytearray\n\x8a\x06\x00\x00\x00\x00\x00\x01\x85R",
        "a number of a million digits": b"I" + b"9" * 1_000_000 + b"\n",
        "a buffer": b"\x97",
        "nothing to call": b"0000R",
    }


def beside_weights(operations):
    """A file of torch.save whose pickle holds a state dict and what some operations leave."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(torch_bytes({"model": state()}))) as old,
        zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as new,
    ):
        for item in old.infolist():
            data = old.read(item)
            if item.filename.endswith("data.pkl"):
                data = data[:-1] + text(b"more") + operations + b"s."
            new.writestr(item.filename, data)
    return out.getvalue()


def test_what_is_hostile_is_inert_or_one_sentence(tmp_path):
    marker = tmp_path / "ran"
    paths = []
    for number, (name, operations) in enumerate(hostile(marker).items()):
        paths.append(tmp_path / f"{number} {name}.pth")
        paths[-1].write_bytes(beside_weights(operations))
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", OPENER, *map(str, paths)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) == len(paths)
    for path, said, grown in rows:
        print(f"{pathlib.Path(path).name[:44]:44} {grown:7.1f} MiB  {said}")
        assert said == "opened" or (said.startswith("CheckpointError: ") and said.endswith(".")), (path, said)
        assert grown < ALLOWED, (path, grown)
    assert not marker.exists()
    assert sum(said == "opened" for _, said, _ in rows) >= len(rows) - 4


@pytest.mark.filterwarnings("ignore:invalid escape sequence")
def test_what_is_damaged_raises_and_runs_nothing(beside, monkeypatch):
    codes = [pickle.dumps({**beside, "model": [1, 2.5, ("a", b"b")]}, protocol) for protocol in range(6)]
    with zipfile.ZipFile(io.BytesIO(torch_bytes({**beside, "model": state()}))) as archive:
        codes.append(archive.read("archive/data.pkl"))
    monkeypatch.setattr(os, "system", lambda _: pytest.fail("ran"))
    chance, whole = random.Random(0), 0
    for turn in range(TURNS):
        code = bytearray(codes[turn % len(codes)])
        for _ in range(chance.randint(1, 8)):
            at = chance.randrange(len(code))
            match chance.randrange(4):
                case 0:
                    code[at] = chance.randrange(256)
                case 1:
                    code[at] ^= 1 << chance.randrange(8)
                case 2:
                    del code[at : at + chance.randint(1, 20)]
                case 3:
                    code[at:at] = chance.choice(list(hostile("/nowhere").values()))[:40]
        try:
            inert.content(bytes(code), inert.meta)
            whole += 1
        except DAMAGED:
            pass
    assert 0 < whole < TURNS


@pytest.mark.parametrize(("side", "fits"), [(4, True), (5, False), (2**40, False)])
def test_a_tensor_stays_within_its_storage(side, fits):
    number = b"\x8a\x08" + struct.pack("<q", side)
    storage = b"(" + text(b"storage") + b"ctorch\nFloatStorage\n" + text(b"0") + text(b"cpu") + b"K\x04tQ"
    code = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\x00(" + number + b"t(K\x01ttR."
    if fits:
        assert inert.content(code, inert.meta).shape == (side,)
    else:
        with pytest.raises(ValueError, match="beyond"):
            inert.content(code, inert.meta)


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_file_from_before_pytorch_1_6_has_the_same_weights(tmp_path, beside, protocol):
    good = state()
    shared = good["norm.weight"]
    file, saved = io.BytesIO(), {**beside, "model": {**good, "norm.bias": shared}, "none": torch.zeros(0)}
    torch.save(saved, file, _use_new_zipfile_serialization=False, pickle_protocol=protocol)
    found = loaded(tmp_path, file.getvalue())
    assert all(torch.equal(found[name], good[name]) for name in good if name != "norm.bias")
    assert torch.equal(found["norm.bias"], shared)
    for end in (10, len(file.getvalue()) // 2, len(file.getvalue()) - 1):
        with pytest.raises(CheckpointError, match="save"):
            loaded(tmp_path, file.getvalue()[:end])


def test_layers_that_share_their_weights_are_read_as_often_as_they_are_used(tmp_path, monkeypatch):
    good = state()
    deep = {name: good[name.replace("layers.0.blocks.1", "layers.0.blocks.0")] for name in good}
    for block in range(1, 12):
        deep |= {
            name.replace("blocks.0.", f"blocks.{block}."): good[name] for name in good if "layers.1.blocks.0." in name
        }
    found = loaded(tmp_path, deep)
    key = "layers.1.blocks.{}.attn.qkv.weight"
    assert torch.equal(found[key.format(11)], good[key.format(0)])
    monkeypatch.setattr(torch_file, "_MOST_SHARED", 1000)
    with pytest.raises(CheckpointError, match="far more values than it holds"):
        loaded(tmp_path, deep)


@pytest.mark.parametrize("view", [b"N", b"(" + text(b"1") + b"K\x01K\x02t"])
def test_a_view_of_another_storage_is_no_tensor_of_the_whole_one(view):
    storage = b"(" + text(b"storage") + b"ctorch\nFloatStorage\n" + text(b"0") + text(b"cpu") + b"K\x04" + view + b"tQ"
    code = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\x00K\x02\x85K\x01\x85tR."
    assert isinstance(inert.content(code, inert.meta), torch.Tensor) == (view == b"N")


@pytest.mark.parametrize("bits", [b"}", b"}" + text(b"neg") + b"\x88s"])
def test_a_tensor_that_is_to_be_negated_is_none(bits):
    storage = b"(" + text(b"storage") + b"ctorch\nFloatStorage\n" + text(b"0") + text(b"cpu") + b"K\x04tQ"
    code = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\x00K\x02\x85K\x01\x85\x89N" + bits + b"tR."
    assert isinstance(inert.content(code, inert.meta), torch.Tensor) == (bits == b"}")
