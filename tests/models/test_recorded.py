"""Hugging Face's own answers, recorded: names and shapes of small models as two versions of transformers save them, and
their logits where every weight is drawn by its name. `python -m tests.models.test_recorded VERSION` records the
installed version's anew; the test needs no transformers."""

import json
import sys
import zlib
from pathlib import Path

import pytest
import torch

from dimap_core.models.load import load_model
from tests.models.test_model_folders import write

RECORDED = Path(__file__).with_suffix(".json")
SIZES = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 48, "image_size": 32,
         "patch_size": 8, "num_labels": 5}  # fmt: skip
STAGES = {"image_size": 32, "patch_size": 2, "embed_dim": 12, "depths": [2, 2], "num_heads": [1, 3], "window_size": 4,
          "num_labels": 5}  # fmt: skip
DINO = {key: value for key, value in SIZES.items() if key not in ("num_labels", "intermediate_size")}
KINDS = {
    "ViTForImageClassification": SIZES, "DeiTForImageClassification": SIZES, "Dinov2Model": DINO,
    "DeiTForImageClassificationWithTeacher": SIZES, "Dinov2WithRegistersModel": DINO,
    "SwinForImageClassification": STAGES, "Swinv2ForImageClassification": STAGES,
}  # fmt: skip


def drawn(shapes):
    """Weights that follow from their names alone, of a trained model's size."""
    found = {}
    for name, shape in shapes.items():
        generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
        found[name] = 0.3 * torch.randn(shape, generator=generator) + ("norm" in name and name.endswith("weight"))
    return found


def pixels():
    return drawn({"pixels": (2, 3, 32, 32)})["pixels"] * 3


def record(version):
    """What the installed transformers saves and answers."""
    import transformers

    content = json.loads(RECORDED.read_text()) if RECORDED.exists() else {}
    for kind, sizes in KINDS.items():
        model = getattr(transformers, kind)(getattr(transformers, kind).config_class(**sizes)).eval()
        shapes = {name: list(value.shape) for name, value in model.state_dict().items() if value.is_floating_point()}
        model.load_state_dict(drawn(shapes), strict=False)
        with torch.inference_mode():
            found = model(pixels())
        logits = getattr(found, "logits", None)
        answers = found.last_hidden_state[:, 0] if logits is None else logits
        config = {key: value for key, value in model.config.to_dict().items() if key in {*sizes, "layer_norm_eps"}}
        row = {"config": config, "shapes": shapes, "answers": [[round(x, 6) for x in row] for row in answers.tolist()]}
        content[f"{kind} {version}"] = row
    lines = (f"{json.dumps(name)}: {json.dumps(row)}" for name, row in sorted(content.items()))
    RECORDED.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def recorded():
    return json.loads(RECORDED.read_text()) if RECORDED.exists() else {}


@pytest.mark.parametrize("name", recorded())
def test_a_folder_gives_the_answers_that_transformers_gave(tmp_path, name):
    row = recorded()[name]
    model, _ = load_model(write(tmp_path / "a", drawn(row["shapes"]), row["config"]))
    with torch.inference_mode():
        found = model(pixels())
    wanted = torch.tensor(row["answers"])
    assert wanted.std() > 0.1
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5)


def test_every_kind_is_recorded_in_both_layouts():
    assert {*recorded()} == {f"{kind} {version}" for kind in KINDS for version in ("4.57", "5.24")}


if __name__ == "__main__":
    record(sys.argv[1])
