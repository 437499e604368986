"""Folders as Hugging Face's hub keeps models: the config tells what no shape does, the weights may lie in several
files."""

import json

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from dimap_core import pipeline
from dimap_core.models.footprint import footprint
from dimap_core.models.load import load_model
from dimap_core.types.errors import CheckpointError, UnsupportedModel
from dimap_core.types.plan import PruningPlan
from tests.models.foreign import DEIT, SWIN, logits, named
from tests.models.test_foreign_files import hugging_face

SETTINGS = {"img_size": 32, "embed_dim": 48, "depth": 2, "num_heads": 6, "num_classes": 3}
CONFIG = {"num_attention_heads": 6, "image_size": 32, "hidden_act": "gelu", "layer_norm_eps": 1e-3}
CONFIG |= {"id2label": {"1": "cat", "0": "ape", "2": "dog"}}


def write(folder, state, config=CONFIG, files=1):
    """`state` and `config` as transformers saves them."""
    folder.mkdir()
    (folder / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
    state = {name: value.contiguous() for name, value in state.items()}
    if files == 1:
        save_file(state, folder / "model.safetensors")
        return str(folder)
    places = {name: f"model-{1 + number % files:05}-of-{files:05}.safetensors" for number, name in enumerate(state)}
    for place in set(places.values()):
        save_file({name: state[name] for name in state if places[name] == place}, folder / place)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    return str(folder)


@pytest.mark.parametrize("files", [1, 3])
def test_heads_eps_and_names_come_from_the_config(tmp_path, files):
    model = named(DEIT, eps=1e-3, **SETTINGS)
    source = write(tmp_path / "a", hugging_face(model.state_dict(), 5, "vit"), files=files)
    loaded, info = load_model(source)
    assert torch.equal(logits(loaded, 32), logits(model, 32))
    assert (info.class_names, info.settings["num_heads"], info.source) == (("ape", "cat", "dog"), 6, "file")
    assert {module.eps for module in loaded.modules() if isinstance(module, nn.LayerNorm)} == {1e-3}
    weights = sum(parameter.nbytes for parameter in loaded.parameters())
    assert footprint(f"file:{source}").weights >= weights


def test_a_swins_input_size_comes_from_the_config(tmp_path):
    sizes = {"embed_dim": 12, "depths": (2, 2), "num_heads": (1, 2), "window_size": 4, "num_classes": 3}
    model = named(SWIN, img_size=64, **sizes)
    state = hugging_face(model.state_dict(), 4, "swin")
    info = load_model(write(tmp_path / "a", state, {"image_size": 64, "id2label": {"0": "LABEL_0"}}))[1]
    assert (info.input_size, info.class_names) == (64, ())
    assert load_model(str(tmp_path / "a" / "model.safetensors"))[1].input_size == 32


def test_a_swin_v2s_windows_come_from_the_config(tmp_path):
    sizes = {"embed_dim": 12, "depths": (1, 1, 1), "num_heads": (1, 2, 3), "num_classes": 3}
    model = named("swinv2_tiny_window8_256", img_size=64, window_size=((8, 8), (8, 8), (4, 4)), **sizes)
    state = hugging_face(model.state_dict(), 4, "swin")
    source = write(tmp_path / "a", state, {"image_size": 64, "window_size": 8})
    loaded, info = load_model(source)
    torch.testing.assert_close(logits(loaded, 64), logits(model, 64))
    assert info.settings["window_size"] == (8, 8, 4)
    with pytest.raises(UnsupportedModel, match="window size"):
        load_model(f"{source}/model.safetensors")


def test_a_cut_of_a_folders_model_opens_again(tmp_path):
    state = hugging_face(named(DEIT, **SETTINGS).state_dict(), 5, "vit")
    opened = pipeline.open_model(write(tmp_path / "a", state))
    plan = PruningPlan(ratio=0.5, granularity="structure", scope="layer")
    pipeline.save_pruned(tmp_path / "out", opened, plan)
    again, info = load_model(str(tmp_path / "out"))
    torch.testing.assert_close(logits(again, 32), logits(pipeline.prune(opened, plan)[0], 32))
    assert load_model(info.dense["file"])[1].fingerprint == info.dense["fingerprint"]


@pytest.mark.parametrize(
    ("config", "index", "said"),
    [
        ("[" * 100_000, None, "damaged config.json"),
        ({**CONFIG, "hidden_act": "quick_gelu"}, None, "activation is 'quick_gelu'"),
        ({**CONFIG, "num_attention_heads": 10**9}, None, "num_heads"),
        (CONFIG, {"weight_map": {"a": "../secret.safetensors"}}, "other files than its own"),
        (CONFIG, {"weight_map": ["a"]}, "other files than its own"),
        (CONFIG, {"weight_map": {"a": "gone.safetensors"}}, "cannot be read"),
        (CONFIG, "nothing", "folder without model.safetensors"),
    ],
)
def test_a_folder_that_cannot_be_used_is_one_sentence(tmp_path, config, index, said):
    source = write(tmp_path / "a", hugging_face(named(DEIT, **SETTINGS).state_dict(), 5, "vit"), config)
    if index == "nothing":
        (tmp_path / "a" / "model.safetensors").unlink()
    elif index:
        (tmp_path / "a" / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises((CheckpointError, UnsupportedModel), match=said):
        load_model(source)
