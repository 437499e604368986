"""Images that people bring: which files are drawn, which classes they are, which pixels the model sees."""

import hashlib
import pickle
import zipfile
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import timm
import torchvision
from PIL import Image

from dimap_core import pipeline
from dimap_core.criteria import gates
from dimap_core.criteria.statistics import collect
from dimap_core.data import subset
from dimap_core.data.batches import normalised, stratified_order
from dimap_core.data.decode import Decoded, Memory
from dimap_core.data.from_source import choose
from dimap_core.data.mapping import heads, match, short_names
from dimap_core.data.places.trees import Folder
from dimap_core.data.registry import load_data
from dimap_core.data.sources import LEFT_OUT, ImageSource
from dimap_core.measure.accuracy import evaluate, predict
from dimap_core.models.bundled import bundled, bundled_card
from dimap_core.pipeline import images
from dimap_core.types.errors import DataError
from dimap_core.types.model import ModelInfo
from dimap_core.types.plan import PruningPlan
from tests.helpers import SINGLE, same


def write(data, root, numbers):
    """Some of a data set's images as PNGs in a folder a class."""
    for number in numbers:
        place = root / data.class_names[data.labels[number]]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(data.images[number].transpose(1, 2, 0)).save(place / f"{number:04d}.png")
    return root


@pytest.fixture(scope="module")
def digits():
    return load_data("digits")


@pytest.fixture(scope="module")
def folder(digits, tmp_path_factory):
    """All 540 of the digits' validation images."""
    return write(digits, tmp_path_factory.mktemp("digits"), range(540))


def on(opened, source, **settings):
    """The model judged by that folder or zip."""
    *_, (_, found) = images.judged_by(opened, ImageSource(source, **{"count": 0, **settings}))
    return found


def test_a_bundled_models_own_images_as_a_folder_give_its_figure_exactly(folder):
    opened = pipeline.open_model("swin-digits")
    judged = on(opened, f"folder:{folder}")
    found, card = pipeline.judge_fully(judged, pipeline.default_data(judged)), bundled_card(bundled("swin-digits"))
    assert (found.n, found.top1.value, [found.top1.low, found.top1.high]) == (540, card["top1"], card["ci95"])
    assert judged.info.fingerprint == opened.info.fingerprint and opened.info.data == "digits"


def test_a_zip_of_a_folder_gives_the_same_pixels_and_a_pruned_model_the_same_accuracy(
    tiny_swin, digits, folder, tmp_path
):
    with zipfile.ZipFile(tmp_path / "digits.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*.png")):
            archive.write(path, f"some/where/{path.relative_to(folder)}")
    plan = PruningPlan(ratio=0.5)
    expected = pipeline.judge_fully(tiny_swin, digits, plan)
    for source in (f"folder:{folder}", f"zip:{tmp_path / 'digits.zip'}", f"folder:{tmp_path / 'digits.zip'}"):
        judged = on(tiny_swin, source)
        data = pipeline.default_data(judged)
        assert data.outputs is None and data.class_names == digits.class_names
        found = pipeline.judge_fully(judged, data, plan)
        assert (found.top1, found.drops, found.top5) == (expected.top1, expected.drops, expected.top5)
        shown = sorted((label, image.tobytes()) for label, image in zip(data.labels, data.images[:], strict=True))
        assert shown == sorted(
            (label, image.tobytes()) for label, image in zip(digits.labels, digits.images, strict=True)
        )


def test_pixels_are_those_of_timms_own_evaluation_transform(tmp_path):
    model = timm.create_model("swin_tiny_patch4_window7_224", depths=(1, 1), embed_dim=8, num_heads=(1, 1))
    config = timm.data.resolve_data_config({}, model=model)
    assert config["crop_pct"] == 0.9 and config["interpolation"] == "bicubic"
    info = ModelInfo("s", "swin", "timm", "pretrained", 224, config["mean"], config["std"], (), "", crop_pct=0.9)
    rng, made = np.random.default_rng(0), timm.data.create_transform(**config)
    modes = {"tench": "RGB", "goldfish": "L", "hen": "RGBA"}
    for name, mode in modes.items():
        (tmp_path / name).mkdir()
        picture = Image.fromarray(rng.integers(0, 256, (30, 50, 3), dtype=np.uint8)).resize((500, 375)).convert(mode)
        picture.save(tmp_path / name / ("a.png" if mode == "RGBA" else "a.JPEG"))
    *_, (_, _, chosen) = choose(ImageSource(f"folder:{tmp_path}"), model, info)
    data = chosen.judged
    assert data.class_names == ("goldfish", "hen", "tench") and data.outputs.tolist() == [1, 8, 0]
    for image, name in zip(data.images[:], data.class_names, strict=True):
        path = next((tmp_path / name).iterdir())
        expected = made(Image.open(path).convert("RGB"))
        assert same(normalised(info, image[None])[0], expected)


@pytest.fixture(scope="module")
def among(tiny, digits):
    """The tiny model's digits 7, 2 and 5 only, named anew: classes 0, 1 and 2."""
    outputs = np.array([7, 2, 5])
    mine = np.flatnonzero(np.isin(digits.labels, outputs))[:90]
    labels = np.array([outputs.tolist().index(label) for label in digits.labels[mine]])
    return replace(digits, images=digits.images[mine], labels=labels, class_names=("g", "c", "f"), outputs=outputs)


@pytest.fixture(scope="module")
def beheaded(tiny, among, make_tiny):
    """The same model with a head of those three outputs only."""
    model = make_tiny(tiny.info.family)
    head = model.head.fc if tiny.info.family == "swin" else model.head
    head.weight.data, head.bias.data = head.weight.data[among.outputs], head.bias.data[among.outputs]
    return model


def test_classes_of_the_data_compete_with_each_other_alone(tiny, among, beheaded):
    *_, (found, predictions) = evaluate(tiny.model, tiny.info, among)
    *_, (expected, other) = evaluate(beheaded, tiny.info, replace(among, outputs=None))
    assert found.cues == expected.cues and found.top5 is None
    for name in ("classes", "confidence", "margin", "loss"):
        assert same(getattr(predictions, name), getattr(other, name), SINGLE), name


def test_statistics_and_attributions_are_those_of_a_model_with_these_classes_only(tiny, among, beheaded):
    alone = replace(among, outputs=None)
    for gather, part in ((collect, "taylor"), (gates.attribute, "units")):
        options = {"steps": 2} if gather is gates.attribute else {}
        *_, (_, _, found) = gather(tiny.model, tiny.info, among, tiny.anatomy, images=32, **options)
        *_, (_, _, expected) = gather(beheaded, tiny.info, alone, tiny.anatomy, images=32, **options)
        for name, values in getattr(expected, part).items():
            assert same(getattr(found, part)[name], values, 10 * SINGLE), name


@pytest.mark.parametrize(
    ("folders", "count", "names", "outputs", "how"),
    [
        (["n01443537", "n01440764-tench"], 1000, (), [1, 0], "wnids and names"),
        (["English_springer", "cassette player", "n01440764"], 1000, (), [217, 482, 0], "wnids and names"),
        (["crane", "tench", "nonsense"], 1000, (), [LEFT_OUT, 0, LEFT_OUT], "1 of 3 folders were recognised"),
        (["7", "007x", "3"], 1000, (), [7, LEFT_OUT, 3], "numbers"),
        (
            ["Seven", "zero", "ONE"],
            8,
            ("zero", "one", "two", "three", "four", "five", "six", "seven"),
            [7, 0, 1],
            "own names",
        ),
        (["b", "a", "c"], 3, (), [1, 0, 2], "sorted by name"),
        (["10", "9", "11"], 3, (), [1, 0, 2], "sorted by number"),
        (["1", "10", "2", *"3456789"], 10, (), [0, 9, 1, *range(2, 9)], "Folders 1 to 10 are taken as classes 0 to 9."),
        (["03", "01", "02"], 3, ("a", "b", "c"), [2, 0, 1], "Folders 1 to 3 are taken as classes 0 to 2."),
        (["3", "1", "2"], 3, ("1", "2", "3"), [2, 0, 1], "own names"),
        (["3", "1", "2"], 3, ("0", "1", "2"), [LEFT_OUT, 1, 2], "2 of 3 folders were recognised by the model's own"),
        (["2", "0", "1"], 3, (), [2, 0, 1], "numbers of the model's outputs"),
        (["1", "2", "3"], 4, (), [1, 2, 3], "numbers of the model's outputs"),
        (["1", "2", "4"], 3, (), [1, 2, LEFT_OUT], "2 of 3"),
        (["b", "a"], 3, (), [LEFT_OUT, LEFT_OUT], "outputs have no names, and 2 folders cannot be put in the order"),
        (["b", "a"], 3, ("c", "d", "e"), [LEFT_OUT, LEFT_OUT], "No folder"),
    ],
)
def test_folders_are_matched_to_outputs(folders, count, names, outputs, how):
    found = match(folders, heads(count, names))
    assert [found.outputs[folder] for folder in folders] == outputs and how in found.how


def test_what_is_set_by_hand_wins_and_nonsense_is_refused():
    known = heads(1000)
    found = match(["crane", "tench"], known, {"crane": 517, "tench": LEFT_OUT, "gone": 3})
    assert found.outputs == {"crane": 517, "tench": LEFT_OUT} and "2 set by hand" in found.how
    assert short_names(known, [134, 517, 0], ["bird", "machine", "t"]) == ("crane (bird)", "crane (machine)", "tench")
    with pytest.raises(DataError, match=r"^'a' and 'tench' are given the same class"):
        match(["a", "tench"], known, {"a": 0})
    with pytest.raises(DataError, match=r"the model has outputs 0 to 999\.$"):
        match(["a", "tench"], known, {"a": 1000})


def test_a_subset_is_balanced_seeded_and_disjoint_from_what_criteria_read(tiny_swin, folder):
    first, again = (on(tiny_swin, f"folder:{folder}", count=105, seed=3).chosen for _ in range(2))
    other = on(tiny_swin, f"folder:{folder}", count=105, seed=4).chosen
    assert first.name == again.name != other.name
    assert sorted(Counter(first.judged.labels.tolist()).values()) == [10] * 5 + [11] * 5
    # The order of evaluation is that of the files, so that what comes next can be decoded ahead.
    np.testing.assert_array_equal(first.judged.labels[:10], np.arange(10))
    judged = {image.tobytes() for image in first.judged.images[:]}
    assert len(judged) == 105 and not judged & {image.tobytes() for image in first.trained.images[:]}
    assert {image.tobytes() for image in other.judged.images[:]} != judged
    assert any("images that are not judged (415)" in note for note in first.facts.notes)
    whole = on(tiny_swin, f"folder:{folder}")
    with pytest.raises(DataError, match="none are left to read; judge fewer"):
        pipeline.score(whole, PruningPlan("taylor"))


def test_which_of_several_splits_was_judged_is_told(tiny_swin, digits, tmp_path):
    for split, numbers in {"train": range(20), "Valid": range(20, 50), "test": range(50, 90)}.items():
        write(digits, tmp_path / "set" / split, numbers)
    judged = on(tiny_swin, f"folder:{tmp_path}").chosen
    assert judged.facts.notes[0] == "Judged on 30 images of Valid/ (test/ is there too)."
    write(digits, tmp_path / "set" / "val", range(20))
    judged = on(tiny_swin, f"folder:{tmp_path}").chosen
    assert judged.facts.notes[0].startswith("Judged on 20 images of val/ (Valid/ and test/ are there too), among 9 of")


def test_criteria_read_the_training_folder_where_there_is_one_and_scores_are_kept_apart(tiny_swin, digits, tmp_path):
    write(digits, tmp_path / "set" / "train", range(60))
    write(digits, tmp_path / "set" / "val", range(60, 160))
    judged = on(tiny_swin, f"folder:{tmp_path}")
    trained = {image.tobytes() for image in judged.chosen.trained.images[:]}
    assert trained == {image.tobytes() for image in digits.images[:60]} and len(judged.chosen.judged) == 100
    plan = PruningPlan("taylor", "structure", ratio=0.3, images=60)
    mine, own = pipeline.score(judged, plan), pipeline.score(tiny_swin, plan)
    assert any(not np.array_equal(mine.layers[name].keys, own.layers[name].keys) for name in mine.layers)
    assert pipeline.score(judged, PruningPlan()) is pipeline.score(tiny_swin, PruningPlan())


def test_changed_files_are_other_images(tiny_swin, digits, tmp_path):
    write(digits, tmp_path, range(60))
    before = on(tiny_swin, f"folder:{tmp_path}").chosen
    write(digits, tmp_path, [60])
    after = on(tiny_swin, f"folder:{tmp_path}").chosen
    assert before.name != after.name and len(after.judged) == 61


def test_of_more_classes_than_a_first_answer_sees_files_lie_in_the_order_of_evaluation(digits, tmp_path):
    for number in range(240):
        place = tmp_path / f"{number % 120:03}"
        place.mkdir(exist_ok=True)
        Image.fromarray(digits.images[number].transpose(1, 2, 0)).save(place / f"{number}.png")
    files = [sorted(f"{place.name}/{one.name}" for one in place.iterdir()) for place in sorted(tmp_path.iterdir())]
    *_, (_, _, drawn) = subset.draw(Folder(tmp_path), files, 200, 3)
    np.testing.assert_array_equal(stratified_order(drawn.labels), np.arange(200))
    assert [int(file.partition("/")[0]) for file in drawn.files] == drawn.labels.tolist()
    # As many of every tenth of the classes among the first images, not the first classes alone.
    assert np.ptp(np.bincount(drawn.labels[:60] // 12, minlength=10)) <= 2


class Counted(Folder):
    """A folder that remembers which files were opened."""

    opened: list

    def open(self, file):
        self.opened.append(file)
        return super().open(file)


def decoded(root, names, memory, spares=lambda number: []):
    place = Counted(root)
    place.opened = []
    return place, Decoded(place, names, spares, lambda picture: np.asarray(picture).transpose(2, 0, 1), 32, memory)


def test_only_what_is_asked_for_and_what_comes_next_is_decoded_and_kept_up_to_the_limit(digits, tmp_path):
    write(replace(digits, class_names=("x",) * 10), tmp_path, range(200))
    names = [f"x/{number:04d}.png" for number in range(200)]
    place, images = decoded(tmp_path, names, Memory(150 * 32 * 32 * 3))
    assert images.shape == (200, 3, 32, 32) and place.opened == []
    np.testing.assert_array_equal(images[3], digits.images[3])
    assert place.opened == names[3:4]
    np.testing.assert_array_equal(images[np.arange(10, 20)], digits.images[10:20])
    assert all(future.result() for future in images._pending.values())
    assert sorted(place.opened[1:]) == names[10:84]  # 64 ahead
    np.testing.assert_array_equal(images[np.array([5, 180, 5])], digits.images[[5, 180, 5]])
    np.testing.assert_array_equal(images[::-1], digits.images[199::-1])
    assert images[[]].shape == (0, 3, 32, 32) and images._memory.used == 150 * 32 * 32 * 3
    before = len(place.opened)
    np.testing.assert_array_equal(images[:], digits.images[:200])
    assert 50 <= len(place.opened) - before < 120  # what did not fit is read again
    _, other = decoded(tmp_path, names[:1], images._memory)
    other[0]  # another set makes the older one go
    assert images._memory.used == 32 * 32 * 3
    del other
    assert images._memory.used == 0


def test_a_file_that_breaks_while_it_is_decoded_gives_its_place_to_another_of_its_class(digits, tmp_path):
    write(replace(digits, class_names=("x",) * 10), tmp_path, range(4))
    (tmp_path / "x" / "0001.png").write_bytes((tmp_path / "x" / "0001.png").read_bytes()[:90])
    names = [f"x/{number:04d}.png" for number in range(3)]
    _, images = decoded(tmp_path, names, Memory(), lambda number: ["x/0003.png"])
    np.testing.assert_array_equal(images[:], digits.images[[0, 3, 2]])
    assert list(images.failed) == [1] and "damaged" in images.failed[1]
    _, images = decoded(tmp_path, names, Memory())
    assert not images[1].any()


def test_even_shares_use_what_there_is():
    assert subset._shares([10, 1, 10], 9, 0) == [4, 1, 4]
    assert subset._shares([2, 1, 0], 9, 0) == [2, 1, 0]
    assert sum(subset._shares([5] * 7, 10, 1)) == 10 and set(subset._shares([5] * 7, 10, 1)) == {1, 2}
    assert subset._shares([5] * 7, 10, 1) != subset._shares([5] * 7, 10, 2)


def test_a_bundled_set_judges_another_model_with_as_many_classes(tiny_swin, digits):
    other = replace(tiny_swin, info=replace(tiny_swin.info, data=None), dense={})
    judged = on(other, "digits")
    # timm's transform enlarges and crops the 32 px images, so that not the pixels but their classes are alike.
    assert len(pipeline.default_data(judged)) == 540 and pipeline.default_data(judged).outputs is None
    assert next(predict(judged.model, judged.info, pipeline.default_data(judged))).classes.shape == (60,)
    with pytest.raises(
        DataError, match=r"^There is no data set 'mnist'; choose one of digits, textured-digits, cifar10,"
    ):
        on(other, "mnist")


def test_sets_that_are_not_on_this_machine_say_where_they_would_lie(tiny_swin, tmp_path, monkeypatch):
    monkeypatch.setenv("DIMAP_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"^CIFAR-10 is not in '.*' \(cifar-10-batches-py\); fetch it with 'python -m"):
        on(tiny_swin, "cifar10")
    write(load_data("digits"), tmp_path / "imagenette2" / "val", range(40))
    assert len(pipeline.default_data(on(tiny_swin, "imagenette"))) == 40


def test_cifar_is_read_by_torchvision_and_refused_where_its_checksums_are_not_cifars(tiny_swin, tmp_path, monkeypatch):
    rng, place = np.random.default_rng(0), tmp_path / "cifar-10-batches-py"
    place.mkdir()
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    contents = {"batches.meta": {"label_names": names}}
    for name in ("data_batch_1", "test_batch"):
        rows = rng.integers(0, 256, (40, 3072), dtype=np.uint8)
        contents[name] = {"data": rows, "labels": (np.arange(40) % 10).tolist()}
    sums = {}
    for name, content in contents.items():
        (place / name).write_bytes(pickle.dumps(content))
        sums[name] = hashlib.md5((place / name).read_bytes()).hexdigest()
    monkeypatch.setenv("DIMAP_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"^CIFAR-10 in '.*' is incomplete or damaged; delete it and fetch it anew"):
        on(tiny_swin, "cifar10")
    kind = torchvision.datasets.CIFAR10
    monkeypatch.setattr(kind, "train_list", [["data_batch_1", sums["data_batch_1"]]])
    monkeypatch.setattr(kind, "test_list", [["test_batch", sums["test_batch"]]])
    monkeypatch.setattr(kind, "meta", {**kind.meta, "md5": sums["batches.meta"]})
    chosen = on(tiny_swin, "cifar10").chosen
    assert "order of the folders" in chosen.facts.notes[1]  # ten classes for ten outputs, whose names are others
    assert len(chosen.judged) == len(chosen.trained) == 40
    shown = {image.tobytes() for image in chosen.judged.images[:]}
    assert shown == {row.tobytes() for row in contents["test_batch"]["data"]}
