"""The catalogue is in step with the installed timm, and says what timm says."""

import pytest
import timm
import torch

from dimap_core.models import catalogue, make_catalogue
from dimap_core.types.errors import UnsupportedModel
from dimap_core.types.model import Family

REFUSED = catalogue.refused()


def test_no_name_is_missing_and_none_is_unknown():
    listed = {entry.name for entry in catalogue.entries()}
    refused = {name for name in make_catalogue.names() if name.partition(".")[0] in REFUSED}
    assert listed | refused == set(make_catalogue.names()) and not listed & refused
    assert {entry.architecture for entry in catalogue.entries()} == {build.name for build in catalogue.builds()}


@pytest.mark.parametrize(
    "name", ["swinv2_small_window16_256.ms_in1k", "deit_small_distilled_patch16_224.fb_in1k", "test_vit.r160_in1k"]
)
def test_a_row_is_what_timm_builds(name):
    entry = catalogue.entries_by_name()[name]
    with torch.device("meta"):
        model = timm.create_model(name)
    assert entry.params == sum(parameter.numel() for parameter in model.parameters())
    assert (entry.classes, entry.input_size) == (model.num_classes, model.patch_embed.img_size[0])
    row, _ = make_catalogue.look_into(entry.architecture)
    assert [build for build in catalogue._content()["architectures"] if build[0] == entry.architecture] == [row]


@pytest.mark.parametrize("name", ["test_vit3", "vit_pwee_patch16_reg1_gap_256"])
def test_what_cannot_be_taken_apart_is_left_out_with_the_reason(name):
    with pytest.raises(UnsupportedModel) as error:
        make_catalogue.look_into(name)
    assert REFUSED[name] == str(error.value)


def test_labels_and_facts_are_readable():
    entry = catalogue.entries_by_name()["swin_tiny_patch4_window7_224.ms_in1k"]
    assert entry.label == "swin_tiny_patch4_window7_224 · ms_in1k · 28.3 M"
    assert entry.facts == "224 px · 1,000 classes · pretrained on ImageNet-1k · licence mit"
    entry = catalogue.entries_by_name()["vit_small_patch14_dinov2.lvd142m"]
    assert entry.facts.startswith("518 px · no classifier: counts and weights only · pretrained on LVD-142M")
    families: set[Family] = {entry.family for entry in catalogue.entries()}
    assert families == {"swin", "deit"} and len(catalogue.entries()) > 300
