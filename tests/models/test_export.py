"""Export: an ONNX file that another runtime answers with as the model does, for any batch."""

import json
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from typer.testing import CliRunner

from dimap_core.cli import commands
from dimap_core.cut.slicing import kept_sizes, slice_model
from dimap_core.data.registry import load_data
from dimap_core.models import checkpoints
from dimap_core.models.load import load_model
from dimap_core.models.to_onnx import write_onnx
from dimap_core.pipeline.chain import apply_plan, score
from dimap_core.pipeline.opened import open_model
from dimap_core.types.errors import CheckpointError, PruningError
from dimap_core.types.plan import PruningPlan
from tests.helpers import same

RATIOS = {"mlp_neuron": 0.5, "head": 0.25, "qk_dim": 0.5, "v_dim": 0.25}
PLAN = PruningPlan("magnitude", "structure", "module", 0.0, tuple(((None, kind), r) for kind, r in RATIOS.items()))


def sliced(name):
    opened = open_model(name)
    selection, _ = apply_plan(opened, PLAN)
    return slice_model(opened.model, opened.anatomy, score(opened, PLAN), selection), opened


def run(path, images):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(["logits"], {"images": images.numpy()})[0]


def normalised(opened, n):
    pixels = torch.from_numpy(load_data(opened.info.data).images[:n]).float() / 255
    return (pixels - 0.5) / 0.5


@pytest.mark.parametrize(("name", "fused"), [("swin-flatten", True), ("deit-digits", False)])
def test_onnxruntime_answers_as_the_sliced_model(tmp_path, name, fused):
    model, opened = sliced(name)
    for module in model.modules():
        if hasattr(module, "fused_attn"):
            module.fused_attn = fused
    path = tmp_path / "new" / "model.onnx"
    write_onnx(model, opened.info, path)
    onnx.checker.check_model(path)
    assert all(module.fused_attn is fused for module in model.modules() if hasattr(module, "fused_attn"))
    assert [file.name for file in path.parent.iterdir()] == ["model.onnx"]
    for n in (1, 3, 100):
        images = normalised(opened, n)
        with torch.inference_mode():
            wanted = model(images).numpy()
        found = run(path, images)
        assert same(found, wanted)
        np.testing.assert_array_equal(found.argmax(1), wanted.argmax(1))


def test_the_command_writes_a_checkpoint_as_onnx(tmp_path):
    model, opened = sliced("deit-digits")
    card = {"model": "deit-digits", "weights": "trained", "kept": kept_sizes(model, opened.anatomy)}
    checkpoints.write(tmp_path / "pruned", model.state_dict(), card)
    command = ["export", str(tmp_path / "pruned"), "--out", str(tmp_path / "m.onnx"), "--json"]
    done = CliRunner().invoke(commands.app, command)
    result = json.loads(done.stdout)
    assert done.stdout.count("\n") == 1
    assert result == {
        "model": "deit-digits", "format": "onnx", "input_size": 32, "out": str(tmp_path / "m.onnx"),
        "bytes": (tmp_path / "m.onnx").stat().st_size,
    }  # fmt: skip
    told = {entry.key: json.loads(entry.value) for entry in onnx.load(tmp_path / "m.onnx").metadata_props}
    digits = [str(digit) for digit in range(10)]
    expected = {"model": "deit-digits", "input_size": 32, "mean": [0.5] * 3, "std": [0.5] * 3, "class_names": digits}
    assert expected.items() <= told.items()
    images = normalised(opened, 3)
    with torch.inference_mode():
        assert same(run(tmp_path / "m.onnx", images), model(images))


@pytest.mark.parametrize("package", ["onnx", "onnxscript"])
def test_a_missing_package_is_named(tmp_path, monkeypatch, tiny, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(PruningError, match=rf"^Writing ONNX needs the package '{package}'.*pip install.*\.$"):
        write_onnx(tiny.model, tiny.info, tmp_path / "model.onnx")


def test_a_place_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="cannot be written"):
        write_onnx(*load_model("deit-digits"), tmp_path / "file" / "model.onnx")


def test_another_format_is_refused(call):
    code, out, told = call("export", "deit-digits", "--format", "gguf", "--out", "x")
    assert code == 2 and out == "" and "no known format" in told
