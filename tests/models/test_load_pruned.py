"""The loader that lies beside every checkpoint: the same answers in a process that has timm and not this project."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from dimap_core import pipeline
from dimap_core.anatomy.build import build_anatomy
from dimap_core.anatomy.groups import has_groups
from dimap_core.cut.convolution import fold
from dimap_core.cut.derivation import derived
from dimap_core.cut.embed import slice_embed
from dimap_core.cut.slicing import shape_facts
from dimap_core.models import saving
from dimap_core.models.exports import load_pruned
from dimap_core.types.plan import PruningPlan
from tests.helpers import same
from tests.models.foreign import DEIT, SWIN, named
from tests.models.test_foreign_files import hugging_face
from tests.models.test_odd_files import KINDS, saved
from tests.models.test_reload import UNEQUAL, plan_of

PLANS = {
    "uneven": plan_of(UNEQUAL, "model"),  # widths and heads differ from block to block
    "packed": PruningPlan("magnitude", "structure", "module", 0.5),
    "zeros": PruningPlan("magnitude", ratio=0.5),
}
CASES = {
    "swin-digits": [*PLANS], "deit-digits": [*PLANS], "own swin": ["uneven"], "own vit": ["uneven"],
    "swin-flatten": ["zeros"],
}  # fmt: skip
ODD = ("nearly all at once", "every part normed", "SwinV2 of window 2")
OWN = {"img_size": 32, "window_size": 4, "embed_dim": 12, "depths": (1, 1, 2), "num_heads": (1, 2, 3)}
OWN |= {"patch_size": 2, "num_classes": 3}
READER = """
import importlib.util, json, sys
from safetensors.torch import load_file, save_file
assert importlib.util.find_spec("dimap_core") is None
told = {}
for folder in sys.argv[1:]:
    sys.path.insert(0, folder)
    sys.modules.pop("load_pruned", None)
    import load_pruned
    try:
        model = load_pruned.load(folder)
        save_file({"logits": model(load_file(folder + "/images")["images"]).detach()}, folder + "/answers")
        told[folder] = ""
    except ValueError as error:
        told[folder] = str(error)
    sys.path.remove(folder)
print(json.dumps(told))
"""


def own_file(folder, name):
    """A file of a Swin or ViT that no name tells, and whose settings (windows, eps of norms) the card keeps."""
    if name == "own swin":
        save_file(named(SWIN, **OWN).state_dict(), folder / "swin.safetensors")
        return str(folder / "swin.safetensors")
    state = hugging_face(named(DEIT, eps=1e-12, img_size=64, num_classes=3).state_dict(), 4, "vit")
    save_file({key: value.contiguous() for key, value in state.items()}, folder / "vit.safetensors")
    return str(folder / "vit.safetensors")


def mixed(name):
    """A model with convolutions or nothing in the place of some attentions, a ViT's stream narrower too."""
    opened = pipeline.open_model(name)
    model = opened.model
    if opened.info.family == "deit":
        model = slice_embed(model, np.arange(model.embed_dim) % 4 > 0)
    blocks = [block.name for block in opened.anatomy.blocks]
    mixers = {blocks[0]: "conv3", blocks[1]: "skip", blocks[3]: "conv1"}
    hidden = {block: np.arange(20 + number) for number, block in enumerate(blocks)}
    model = fold(derived(model, build_anatomy(model, opened.info.family), mixers, hidden)).eval()
    facts = shape_facts(model, build_anatomy(model, opened.info.family))
    return model, opened.info, {"model": name, "weights": "trained", **facts}


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """Case -> (what the loader says, its logits, ours, the folder), all asked of one process."""
    root, ours = tmp_path_factory.mktemp("pruned"), {}

    def keep(case, model, info):
        generator = torch.Generator().manual_seed(0)
        images = torch.randn(3, info.channels, info.input_size, info.input_size, generator=generator)
        with torch.inference_mode():
            ours[case] = model(images)
        save_file({"images": images}, root / case / "images")

    for name, plans in CASES.items():
        opened = pipeline.open_model(own_file(root, name) if name.startswith("own") else name)
        for told in plans:
            pipeline.save_pruned(root / f"{name} {told}", opened, PLANS[told])
            keep(f"{name} {told}", pipeline.prune(opened, PLANS[told])[0], opened.info)
    for name in ODD:
        (root / f"{name} files").mkdir()
        _, path = saved(root / f"{name} files", *KINDS[name][:2])
        opened = pipeline.open_model(f"{path}{KINDS[name][2]}")
        for told in ("uneven", "zeros") if has_groups(opened.anatomy) else ("zeros",):
            pipeline.save_pruned(root / f"{name} {told}", opened, PLANS[told])
            keep(f"{name} {told}", pipeline.prune(opened, PLANS[told])[0], opened.info)
    for name in ("swin-digits", "deit-digits"):
        model, info, card = mixed(name)
        saving.save(root / f"{name} mixed", model, card)
        keep(f"{name} mixed", model, info)
    command = [sys.executable, "-I", "-c", READER, *(str(root / case) for case in ours)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    found = {case: load_file(root / case / "answers")["logits"] for case in ours if not told[str(root / case)]}
    return {case: (told[str(root / case)], found.get(case), ours[case], root / case) for case in ours}


def test_it_answers_as_the_model_that_was_written(answers):
    for name in ("swin-digits", "deit-digits"):
        kept = json.loads((answers[f"{name} uneven"][-1] / "card.json").read_text())["kept"].values()
        assert len({sizes["head"] for sizes in kept}) > 1 and len({sizes["qk_dim"] for sizes in kept}) > 1
    heard = {case: pair for case, (told, *pair, _) in answers.items() if not told}
    assert {*heard} == {*answers} - {"swin-flatten zeros"}
    for case, (found, wanted) in heard.items():
        assert wanted.std() > 0.01 and same(found, wanted), case


def test_what_timm_has_no_parts_for_is_one_sentence(answers):
    sentence = answers["swin-flatten zeros"][0]
    assert "load it with dimap_core" in sentence and sentence.endswith(".") and len(sentence.splitlines()) == 1


def test_it_imports_torch_timm_safetensors_and_json_alone():
    lines = Path(load_pruned.__file__).read_text(encoding="utf-8").splitlines()
    found = {line.split()[1].split(".")[0] for line in lines if line.startswith(("import ", "from "))}
    assert found == {"__future__", "json", "pathlib", "typing", "timm", "torch", "safetensors"}
