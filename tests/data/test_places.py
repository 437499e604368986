"""Classes of images that lie in no folder of a class: each set gives the very images and labels that were written."""

import zipfile
from dataclasses import replace

import numpy as np
import pytest
from scipy.io import savemat
from timm.data import ImageNetInfo

from dimap_core.types import DataError
from tests.data.written import (
    LABELS,
    LINES,
    NAMES,
    NUMBERS,
    PAIRS,
    WORDS,
    chosen,
    images,
    png,
    same,
    table,
    told,
    write,
)


def stems(rows):
    return [(name.removesuffix(".png"), label) for name, label in rows]


LABELLED = {
    "filename,label": ({**images(), "labels.csv": table(("filename", "label"), PAIRS)}, "labels.csv (filename, label)"),
    "image,class_id": (
        {
            **images("images/"),
            "a.csv": table(("image", "class_id"), [(f"images/{name}", label) for name, label in PAIRS]),
        },
        "a.csv (image, class_id)",
    ),
    "ImageId,Class": (
        {**images("x/"), "y.csv": table(("ImageId", "Class"), stems(PAIRS), ";")},
        "y.csv (ImageId, Class)",
    ),
    "more columns": (
        {
            **images(),
            "t.tsv": table(("n", "fold", "species", "path"), [(1, 2, label, name) for name, label in PAIRS], "\t"),
        },
        "t.tsv (path, species)",
    ),
    "no header": ({**images(), "l.csv": table(None, PAIRS)}, "l.csv (column 1, column 2)"),
    "name label": (
        {**images("val/"), "val.txt": "".join(f"{name} {label}\n" for name, label in PAIRS)},
        "val.txt (column 1, column 2)",
    ),
    "metadata.jsonl": ({**images(), "metadata.jsonl": LINES}, "metadata.jsonl (file_name, label)"),
    "metadata.csv": ({**images("v/"), "v/metadata.csv": table(("file_name", "label"), PAIRS)}, "v/metadata.csv"),
    "ground truth": (
        {**images("val/"), "devkit/data/val_ground_truth.txt": "".join(f"{label}\n" for label in LABELS)},
        "Labels are the lines of devkit/data/val_ground_truth.txt, in the order",
    ),
}  # fmt: skip


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
@pytest.mark.parametrize("kind", LABELLED)
def test_labels_beside_the_images_are_those_that_were_written(tiny_swin, tmp_path, kind, packed):
    files, said = LABELLED[kind]
    given = f"folder:{write(tmp_path / 'set', files)}"
    if packed:
        with zipfile.ZipFile(tmp_path / "set.zip", "w") as made:
            for name, content in files.items():
                made.writestr(f"set/{name}", content)
        given = f"zip:{tmp_path / 'set.zip'}"
        said = said.replace("Labels are the lines of ", "")
    found = chosen(tiny_swin, given)
    assert same(found) and told(found, said) and told(found, "40 of 40 images have one.")
    assert not told(found, "Left out")


def test_what_lacks_a_label_or_an_image_is_counted_and_made_up_labels_are_not_read(tiny_swin, tmp_path):
    rows = [*PAIRS[:30], (NAMES[30], ""), (NAMES[31], 1), (NAMES[31], 2), ("gone.png", 3)]
    root = write(tmp_path, {**images("train_images/"), "train.csv": table(("id", "label"), rows)})
    write(root, {"test_images/a.png": png(50), "test_images/b.png": png(51)})
    write(root, {"sample_submission.csv": table(("id", "label"), [("a.png", 0), ("b.png", 0)])})
    found = chosen(tiny_swin, f"folder:{root}")
    assert same(found, range(30)) and told(found, "(id, label): 30 of 42 images have one.")
    assert told(found, "images without a label (12), files without an image's name (1), labels without an image (1)")
    write(root, {"train.csv": table(("id", "first", "second"), [(name, 1, label) for name, label in PAIRS])})
    with pytest.raises(
        DataError, match=r"^Which column of 'train.csv' has the classes is not clear \(id, first, second"
    ):
        chosen(tiny_swin, f"folder:{root}")


def test_a_table_a_split_or_a_column_of_splits(tiny_swin, tmp_path):
    parts = {"train": range(20), "validation": range(20, 40)}
    files = {f"{split}/{NAMES[number]}": png(number) for split, part in parts.items() for number in part}
    each = {
        f"{split}/metadata.csv": table(("file_name", "label"), [PAIRS[n] for n in part])
        for split, part in parts.items()
    }
    found = chosen(tiny_swin, f"folder:{write(tmp_path / 'each', {**files, **each})}")
    known = {LABELS[number] for number in parts["validation"]}
    training = sum(LABELS[number] in known for number in parts["train"])
    assert same(found, parts["validation"]) and found.facts.training == training
    rows = [(name, label, "train" if number < 20 else "validation") for number, (name, label) in enumerate(PAIRS)]
    files = {**images(), "all.csv": table(("filename", "label", "split"), rows)}
    found = chosen(tiny_swin, f"folder:{write(tmp_path / 'column', files)}")
    assert same(found, parts["validation"]) and found.facts.training == training


def test_folders_that_are_classes_win_over_a_table(tiny_swin, tmp_path):
    files = {f"{label}/{name}": png(number) for number, (name, label) in enumerate(PAIRS)}
    noisy = table(("path", "label"), [(f"{label}/{name}", (label + 1) % 10) for name, label in PAIRS])
    found = chosen(tiny_swin, f"folder:{write(tmp_path, {**files, 'noisy.csv': noisy})}")
    assert same(found) and not told(found, "Labels come from")


@pytest.mark.parametrize("packed", [False, True])
def test_ilsvrcs_own_numbers_are_read_with_its_devkit_or_refused(tiny_swin, tmp_path, packed):
    order = np.random.default_rng(0).permutation(ImageNetInfo().label_names()).tolist()
    known = replace(tiny_swin, info=replace(tiny_swin.info, class_names=tuple(order[:10])))
    files = {**images("val/"), "ILSVRC2012_validation_ground_truth.txt": "".join(f"{label + 1}\n" for label in LABELS)}
    root = write(tmp_path, files)
    with pytest.raises(
        DataError, match=r"holds ILSVRC's own numbers of classes, .* put the devkit's meta.mat beside it"
    ):
        chosen(known, f"folder:{root}")
    kinds = np.zeros(1000, [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O")])
    kinds["ILSVRC2012_ID"], kinds["WNID"], kinds["words"] = np.arange(1, 1001), order, "a word"
    (root / "devkit").mkdir()
    savemat(root / "devkit" / "meta.mat", {"synsets": kinds}, do_compression=packed)
    assert same(chosen(known, f"folder:{root}"))
    meta = (root / "devkit" / "meta.mat").read_bytes()
    (root / "devkit" / "meta.mat").write_bytes(meta[: len(meta) // 2])
    with pytest.raises(DataError, match="holds ILSVRC's own numbers of classes"):
        chosen(known, f"folder:{root}")


@pytest.mark.parametrize(
    ("form", "wnid"),
    [("{word}_{n:04d}.png", False), ("{word}.{n}.png", False), ("{wnid}_{n}.png", True), ("val_{n}_{wnid}.png", True)],
)
def test_names_that_hold_the_class(tiny_swin, tmp_path, form, wnid):
    wnids = [f"n{n:08d}" for n in range(10)]
    known = replace(tiny_swin, info=replace(tiny_swin.info, class_names=tuple(wnids if wnid else WORDS)))
    names = [form.format(word=WORDS[label], wnid=wnids[label], n=number) for number, label in enumerate(LABELS)]
    found = chosen(known, f"folder:{write(tmp_path, images('', names))}")
    assert same(found) and told(found, f"Labels are the {'wnids' if wnid else 'words'} in the files' names, as ")


@pytest.mark.parametrize("names", [
    [f"IMG_{n}.png" if n % 2 else f"DSC_{n}.png" for n in NUMBERS], [f"{n:03d}.png" for n in NUMBERS],
    [f"{'abcdefgh'[n % 8]}{'xyzuv'[n // 8]}_1.png" for n in NUMBERS],
])  # fmt: skip
def test_names_of_cameras_numbers_and_single_ones_hold_none(tiny_swin, tmp_path, names):
    found = chosen(tiny_swin, f"folder:{write(tmp_path, images('', names))}")
    assert found.facts.agreement and found.facts.rows == ()
