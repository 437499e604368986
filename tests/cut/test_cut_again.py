"""Cuts of cuts: whatever a model was opened from, what is cut of it opens again, equal, and can be cut once more."""

import json
import zipfile
from dataclasses import replace

import pytest
import timm
import torch
from safetensors.torch import save_file

from dimap_core import pipeline
from dimap_core.anatomy.build import build_anatomy
from dimap_core.cut.convolution import fold
from dimap_core.cut.derivation import derived
from dimap_core.cut.embed import slice_embed
from dimap_core.cut.slicing import shape_facts
from dimap_core.models import checkpoints, saving
from dimap_core.models.load import load_model
from dimap_core.training.methods.phases import found_card
from dimap_core.types.errors import CheckpointError
from dimap_core.types.plan import PruningPlan

SWIN, DEIT = "swin_tiny_patch4_window7_224", "deit_tiny_patch16_224"
FILES = {
    "own image size": (DEIT, {"img_size": 48}),
    "own classes": (DEIT, {"num_classes": 5}),
    "own sizes": (
        SWIN,
        {
            "img_size": 64, "window_size": 4, "embed_dim": 12, "depths": (2, 2, 2), "num_heads": (1, 2, 3),
            "num_classes": 7,
        },
    ),
    "Swin-T": (SWIN, {}),
}  # fmt: skip
SMALLER = PruningPlan("magnitude", "structure", "layer", 0.3)
ZEROS = PruningPlan("magnitude", "weight", "layer", 0.3)
CUTS = [
    ("own image size", (SMALLER, SMALLER, ZEROS)),
    ("own classes", (ZEROS, SMALLER, SMALLER)),
    ("own sizes", (SMALLER, SMALLER, ZEROS)),
    ("own sizes", (ZEROS, SMALLER, SMALLER)),
    ("Swin-T", (SMALLER, SMALLER)),
    ("deit-digits", (SMALLER, SMALLER, ZEROS)),
    ("swin-flatten", (ZEROS, SMALLER, SMALLER)),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """made(kind) -> what opens a model of that kind; its weights are random."""

    def make(kind):
        place = tmp_path_factory.getbasetemp() / f"{kind}.safetensors"
        if kind not in FILES:
            return kind
        if not place.exists():
            torch.manual_seed(0)
            name, settings = FILES[kind]
            save_file(timm.create_model(name, **settings).state_dict(), place)
        return str(place)

    return make


def cut(name, plan, out):
    """Write a cut as `pipeline.save_pruned` does; returns the model as it is in memory."""
    pruned, card = pipeline.pruned_with_card(pipeline.open_model(name), plan)
    saving.save(out, pruned, card)
    return pruned


def assert_same(model, place):
    again, info = load_model(str(place))
    one, other = model.state_dict(), again.state_dict()
    assert one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)
    images = torch.randn(2, 3, info.input_size, info.input_size, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert torch.equal(model.eval()(images), again(images))
    return again


@pytest.mark.parametrize(("kind", "plans"), CUTS, ids=lambda value: value if isinstance(value, str) else "")
def test_a_cut_of_a_cut_of_a_cut_opens_and_is_equal(made, kind, plans, tmp_path):
    source = made(kind)
    for number, plan in enumerate(plans):
        pruned = cut(source, plan, tmp_path / str(number))
        assert_same(pruned, tmp_path / str(number))
        source = str(tmp_path / str(number))


def test_what_came_as_a_zip_can_be_cut_again(made, tmp_path):
    cut(made("own sizes"), SMALLER, tmp_path / "a")
    for name, around in (("flat.zip", ""), ("folder.zip", "a/")):
        zipped(tmp_path / "a", tmp_path / name, around)
        assert_same(cut(str(tmp_path / name), SMALLER, tmp_path / name[:-4]), tmp_path / name[:-4])


def zipped(folder, path, around):
    with zipfile.ZipFile(path, "w") as archive:
        for file in folder.iterdir():
            archive.write(file, around + file.name)


def test_convolutions_and_a_narrower_stream_are_kept(made, make_tiny, tmp_path):
    opened = pipeline.open_model("deit-digits")
    keep = torch.arange(opened.model.embed_dim).numpy() % 4 > 0
    mixers = {"blocks.0": "conv3", "blocks.2": "conv1", "blocks.3": "skip"}
    hidden = {block.name: torch.arange(20).numpy() for block in opened.anatomy.blocks}
    model = fold(derived(slice_embed(opened.model, keep), build_anatomy(opened.model, "deit"), mixers, hidden)).eval()
    card = {"model": "deit-digits", "weights": "trained", **shape_facts(model, build_anatomy(model, "deit"))}
    saving.save(tmp_path / "0", model, card)
    assert_same(model, tmp_path / "0")
    for number in range(2):
        pruned = cut(str(tmp_path / str(number)), (ZEROS, SMALLER)[number], tmp_path / str(number + 1))
        again = assert_same(pruned, tmp_path / str(number + 1))
    assert again.embed_dim == keep.sum() and not hasattr(again.blocks[0].attn, "qkv")


def test_what_a_search_finds_in_a_cut_of_a_file_leads_back_to_both(made, tmp_path):
    source = made("own sizes")
    cut(source, SMALLER, tmp_path / "a")
    opened = pipeline.open_model(str(tmp_path / "a"))
    smaller, _, _ = pipeline.prune(opened, SMALLER)
    card = found_card(opened, smaller, 0, {"search": {"method": "nvit"}})
    saving.save(tmp_path / "b", smaller, card)
    assert_same(smaller, tmp_path / "b")
    assert card["dense"]["file"] == source


def test_a_card_that_does_not_lead_back_is_not_written(made, tmp_path):
    opened = pipeline.open_model(made("own classes"))
    model, card = pipeline.pruned_with_card(opened, SMALLER)
    with pytest.raises(CheckpointError, match=r"was not written, because it could not be opened again .*\.$") as error:
        saving.save(tmp_path / "a", model, {key: value for key, value in card.items() if key != "settings"})
    assert len(str(error.value).splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_the_card_tells_which_file_a_cut_of_a_cut_was_made_from(made, tmp_path):
    source = made("own sizes")
    cut(source, SMALLER, tmp_path / "a")
    cut(str(tmp_path / "a"), ZEROS, tmp_path / "b")
    told = {"file": source, "fingerprint": load_model(source)[1].fingerprint}
    assert [checkpoints.read_card(tmp_path / name)["dense"] for name in "ab"] == [told, told]
    cut(f"file:{source}", SMALLER, tmp_path / "c")  # as the app opens it, where its place is nobody's business
    assert checkpoints.read_card(tmp_path / "c")["dense"] == {**told, "file": ""}
    cut("deit-digits", SMALLER, tmp_path / "d")
    cut(str(tmp_path / "d"), SMALLER, tmp_path / "e")
    assert not any("dense" in checkpoints.read_card(tmp_path / name) for name in "de")
    card = json.loads((tmp_path / "a" / "card.json").read_text())
    for strange in ([], {"file": 5, "fingerprint": ""}, "x"):
        (tmp_path / "a" / "card.json").write_text(json.dumps({**card, "dense": strange}))
        assert replace(load_model(str(tmp_path / "a"))[1], dense={}).name == "swin_tiny_patch4_window7_224"
