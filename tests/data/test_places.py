"""Sets whose classes are no folders, and containers: each gives the very images and labels that were written."""

import csv
import io
import json
import tarfile
import zipfile
from collections import Counter
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from scipy.io import savemat
from timm.data import ImageNetInfo

from dimap_core import pipeline
from dimap_core.data import ImageSource, load_data
from dimap_core.data.places import parquet, tar
from dimap_core.types import DataError

DIGITS = load_data("digits")
NUMBERS = range(40)
NAMES = [f"{number:04d}.png" for number in NUMBERS]
LABELS = [int(DIGITS.labels[number]) for number in NUMBERS]
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def png(number):
    content = io.BytesIO()
    Image.fromarray(DIGITS.images[number].transpose(1, 2, 0)).save(content, "PNG")
    return content.getvalue()


def write(root, files):
    """Files by their path: bytes or text."""
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def images(below="", names=NAMES):
    return {f"{below}{name}": png(number) for name, number in zip(names, NUMBERS, strict=True)}


def table(header, rows, sign=","):
    made = io.StringIO()
    csv.writer(made, delimiter=sign).writerows([header, *rows] if header else rows)
    return made.getvalue()


def chosen(opened, given, **settings):
    *_, (_, found) = pipeline.judged_by(opened, ImageSource(str(given), **{"count": 0, **settings}))
    return found.chosen


def same(found, numbers=NUMBERS):
    """Exactly these of the digits, each with its own label as the model counts."""
    outputs = np.arange(10) if found.judged.outputs is None else found.judged.outputs
    shown = zip(outputs[found.judged.labels], found.judged.images[:], strict=True)
    return sorted((int(label), image.tobytes()) for label, image in shown) == sorted(
        (int(DIGITS.labels[number]), DIGITS.images[number].tobytes()) for number in numbers
    )


def told(found, part):
    return any(part in note for note in found.facts.notes)


def stems(rows):
    return [(name.removesuffix(".png"), label) for name, label in rows]


PAIRS = list(zip(NAMES, LABELS, strict=True))
LINES = "".join(json.dumps({"file_name": name, "label": label, "more": [1]}) + "\n" for name, label in PAIRS)
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


@pytest.mark.parametrize(("mode", "name"), [("w", "s.tar"), ("w:gz", "s.tar.gz"), ("w:gz", "s.bin"), ("w:xz", "s.txz")])
def test_tars_are_read_as_folders_are(tiny_swin, tmp_path, mode, name):
    files = {f"./root/{label}/{name}": png(number) for number, (name, label) in enumerate(PAIRS)}
    with tarfile.open(tmp_path / name, mode) as made:
        for place, content in {**files, "./root/0/README": b"no image", "../../0/out.png": png(0)}.items():
            member = tarfile.TarInfo(place)
            member.size = len(content)
            made.addfile(member, io.BytesIO(content))
        for kind, place in ((tarfile.SYMTYPE, "root/1/link.png"), (tarfile.FIFOTYPE, "root/1/pipe.png")):
            member = tarfile.TarInfo(place)
            member.type, member.linkname = kind, "/etc/passwd"
            made.addfile(member)
    found = chosen(tiny_swin, f"folder:{tmp_path / name}")
    assert same(found) and list(tmp_path.iterdir()) == [tmp_path / name]
    for left in (
        "names that lead out of the tar (1)",
        "links (1)",
        "neither files nor folders (1)",
        "image's name (1)",
    ):
        assert told(found, left), found.facts.notes


def packed(path, mode, content=b"", size=None, kind=None):
    with tarfile.open(path, mode) as made:
        member = tarfile.TarInfo("0/a.png")
        member.size, member.type = len(content), kind or tarfile.REGTYPE
        made.addfile(member, io.BytesIO(content))
    if size is not None:  # a header that claims more than there is
        raw = bytearray(path.read_bytes())
        raw[124:136] = f"{size:011o}\0".encode()
        raw[148:156] = b" " * 8
        raw[148:156] = f"{sum(raw[:512]):06o}\0 ".encode()
        path.write_bytes(raw)
    return path


def test_tars_that_are_none_lie_or_unpack_out_of_all_proportion_are_refused(tiny_swin, tmp_path, monkeypatch):
    bad = {
        "cut.tar.gz": packed(tmp_path / "cut.tar.gz", "w:gz", png(0)).read_bytes()[:100],
        "cut.tar.xz": packed(tmp_path / "cut.tar.xz", "w:xz", png(0)).read_bytes()[:100],
        "text.tar": b"no tar at all" * 100,
        "empty.tar": b"",
        "claims.tar": packed(tmp_path / "claims.tar", "w", png(0), 8 * 2**30, b"x").read_bytes(),
    }
    for name, content in bad.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError) as refused:
            chosen(tiny_swin, f"folder:{tmp_path / name}")
        assert str(refused.value).startswith(f"'{name}' is not a tar that can be read") and "\n" not in str(
            refused.value
        )
    bomb = packed(tmp_path / "bomb.tar.xz", "w:xz", bytes(2**22))
    monkeypatch.setattr(tar, "MOST_UNPACKED", 2**21)
    with pytest.raises(
        DataError, match=r"^'bomb.tar.xz' unpacks to more than 0.00195 GiB; unpack it and give the folder"
    ):
        chosen(tiny_swin, f"folder:{bomb}")
    monkeypatch.setattr(tar, "MOST_MEMBERS", 0)
    with pytest.raises(DataError, match=r"holds more than 0 files; give the folder itself, or a tar of fewer images"):
        chosen(tiny_swin, f"folder:{packed(tmp_path / 'many.tar', 'w', png(0))}")


def cifar(root, names, before, files):
    """CIFAR's binary files of made pictures, as (file, labels)."""
    rng, made = np.random.default_rng(0), {}
    root.mkdir()
    for file, labels in files.items():
        rows = rng.integers(0, 256, (len(labels), 3072), dtype=np.uint8)
        heads = np.column_stack([np.full((len(labels), before - 1), 7), labels]).astype(np.uint8)
        (root / file).write_bytes(np.hstack([heads, rows]).tobytes())
        made[file] = sorted((label, row.tobytes()) for label, row in zip(labels, rows, strict=True))
    (root / ("batches.meta.txt" if before == 1 else "fine_label_names.txt")).write_text("\n".join([*names, ""]))
    return made


@pytest.mark.parametrize(
    ("before", "test", "train"), [(1, "test_batch.bin", "data_batch_3.bin"), (2, "test.bin", "train.bin")]
)
def test_cifars_binary_version(tiny_swin, tmp_path, before, test, train):
    names = tuple(f"{name} thing".replace(" ", "_") for name in WORDS)  # in CIFAR's order, which is no alphabet's
    known = replace(tiny_swin, info=replace(tiny_swin.info, class_names=()))
    labels = [n % 10 for n in range(30)]
    made = cifar(tmp_path / "set", names, before, {test: labels, train: labels[:20]})
    found = chosen(known, f"folder:{tmp_path / 'set'}")
    shown = zip(found.judged.labels, found.judged.images[:], strict=True)
    outputs = [row.output for row in found.facts.rows]
    assert sorted((outputs[label], image.tobytes()) for label, image in shown) == made[test]
    assert len(found.trained) == 20 and told(found, "numbered as the set itself numbers them")
    (tmp_path / "set" / test).write_bytes(b"\x63" * 3073)
    with pytest.raises(DataError, match=r"is not whole; fetch CIFAR's binary version anew"):
        chosen(known, f"folder:{tmp_path / 'set'}")


def test_cifars_python_version_is_refused_and_the_binary_one_named(tiny_swin, tmp_path):
    write(tmp_path / "mine", {"data_batch_1": b"\x80\x04", "test_batch": b"\x80\x04"})
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(b"\x1f\x8b")
    for name in ("mine", "cifar-10-python.tar.gz"):
        with pytest.raises(
            DataError, match=r"could run code when they are read; give its binary version \(cifar-10-batches"
        ):
            chosen(tiny_swin, f"folder:{tmp_path / name}")


@pytest.mark.parametrize("grey", [False, True])
def test_npz_of_medmnists_form(tiny_swin, tmp_path, grey):
    pictures = DIGITS.images[:40].transpose(0, 2, 3, 1)
    arrays = {"test_images": pictures[..., 0] if grey else pictures, "test_labels": np.array(LABELS, np.uint8)[:, None]}
    more = {"train_images": arrays["test_images"][:20], "train_labels": arrays["test_labels"][:20]}
    np.savez_compressed(tmp_path / "set.npz", **arrays, **more)
    found = chosen(tiny_swin, f"folder:{tmp_path / 'set.npz'}")
    assert (
        same(found) and found.facts.training == 20 and told(found, "Images and labels are the arrays of an .npz file.")
    )


@pytest.mark.parametrize(
    ("arrays", "why"),
    [
        ({"x": np.zeros(3)}, "holds no images under these names"),
        ({"test_images": np.zeros((4, 8, 8), np.uint8)}, "holds test_labels of float64"),
        (
            {"test_images": np.zeros((4, 8, 8, 8), np.uint8), "test_labels": np.zeros(4, int)},
            "holds test_images of uint8",
        ),
        (
            {"test_images": np.zeros((4, 8, 8), np.uint8), "test_labels": np.zeros((4, 14), int)},
            "holds test_labels of int64",
        ),
        ({"test_images": np.array([{}]), "test_labels": np.zeros(1, int)}, r"cannot be read \(ValueError\)"),
    ],
)
def test_other_npz_are_refused(tiny_swin, tmp_path, arrays, why):
    np.savez(tmp_path / "set.npz", **arrays)
    with pytest.raises(DataError, match=f"^'set.npz' {why}.*an .npz is read that has test_images"):
        chosen(tiny_swin, f"zip:{tmp_path / 'set.npz'}")


def features(names):
    return {"huggingface": json.dumps({"info": {"features": {"label": {"names": list(names), "_type": "ClassLabel"}}}})}


def shard(path, numbers, label="label", named=None, kind="struct"):
    """A parquet file as Hugging Face's datasets write it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures = [png(number) for number in numbers]
    column = [{"bytes": one, "path": None} for one in pictures] if kind == "struct" else pictures
    rows = pa.table({"image": column, label: [int(DIGITS.labels[number]) for number in numbers]})
    pq.write_table(rows.replace_schema_metadata(features(named) if named else {}), path, row_group_size=7)
    return path


def test_parquet_of_one_file_of_several_and_of_a_folder(tiny_swin, tmp_path, monkeypatch):
    known = replace(tiny_swin, info=replace(tiny_swin.info, class_names=()))
    one = shard(tmp_path / "one.parquet", NUMBERS, named=WORDS)
    found = chosen(known, f"folder:{one}")
    assert same(found) and told(found, "Images and labels are the columns 'image' and 'label' of 1 parquet files.")
    assert told(found, "Classes are numbered as the set itself numbers them")
    hub = tmp_path / "hub"
    for place, part in enumerate((range(20), range(20, 40))):
        shard(hub / "data" / f"test-0000{place}-of-00002.parquet", part, kind="bytes")
    shard(hub / "data" / "train-00000-of-00001.parquet", range(40, 70), kind="bytes")
    found = chosen(known, f"folder:{hub}")
    assert same(found) and found.facts.training == 30
    assert {image.tobytes() for image in found.trained.images[:]} == {one.tobytes() for one in DIGITS.images[40:70]}
    shard(tmp_path / "default" / "train" / "0000.parquet", NUMBERS)
    assert same(chosen(known, f"folder:{tmp_path / 'default'}"))
    monkeypatch.setattr(parquet, "MOST", 1)
    found = chosen(known, f"folder:{hub}")
    assert same(found, range(20)) and found.facts.training == 0 and told(found, "parquet files beyond 0 GiB (2)")


def test_parquet_without_such_columns_and_damaged_is_refused(tiny_swin, tmp_path):
    shard(tmp_path / "a.parquet", NUMBERS, label="image_height_x").replace(tmp_path / "set.parquet")
    assert same(chosen(tiny_swin, f"folder:{tmp_path / 'set.parquet'}"))  # the only column of whole numbers
    pq.write_table(pa.table({"text": ["a"], "label": [1]}), tmp_path / "b.parquet")
    with pytest.raises(
        DataError, match=r"^'b.parquet' has no column of images \(image: bytes\), its columns are text, label"
    ):
        chosen(tiny_swin, f"folder:{tmp_path / 'b.parquet'}")
    (tmp_path / "c.parquet").write_bytes((tmp_path / "set.parquet").read_bytes()[:500])
    with pytest.raises(DataError, match=r"^'c.parquet' is not a parquet file that can be read"):
        chosen(tiny_swin, f"folder:{tmp_path / 'c.parquet'}")


def test_a_tar_of_cifars_binary_files_and_one_with_a_table(tiny_swin, tmp_path):
    made = cifar(tmp_path / "cifar-10-batches-bin", WORDS, 1, {"test_batch.bin": [n % 10 for n in range(30)]})
    with tarfile.open(tmp_path / "cifar-10-binary.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "cifar-10-batches-bin", "cifar-10-batches-bin")
    found = chosen(tiny_swin, f"folder:{tmp_path / 'cifar-10-binary.tar.gz'}")
    assert Counter(image.tobytes() for image in found.judged.images[:]) == Counter(
        row for _, row in made["test_batch.bin"]
    )
    write(tmp_path / "set", {**images(), "labels.csv": table(("filename", "label"), PAIRS)})
    with tarfile.open(tmp_path / "set.tar", "w") as archive:
        archive.add(tmp_path / "set", "set")
    assert same(chosen(tiny_swin, f"folder:{tmp_path / 'set.tar'}"))
