"""Tars, arrays and parquet files: each gives the very images and labels that were written, or one sentence."""

import contextlib
import io
import json
import tarfile
from collections import Counter
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dimap_core.data.places import parquet, source, tar
from dimap_core.data.places.place import below
from dimap_core.types import DataError
from tests.data.written import (
    DIGITS,
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


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "tar.xz", "npz", "parquet", "csv", "jsonl"])
def test_damaged_files_are_read_as_far_as_they_go_or_refused_in_one_sentence(tmp_path, kind):
    rng, path = np.random.default_rng(1), tmp_path / f"set.{kind}"
    if kind == "npz":
        np.savez(path, test_images=DIGITS.images[:8, 0], test_labels=np.array(LABELS[:8]))
    elif kind == "parquet":
        shard(path, range(8))
    elif kind in ("csv", "jsonl"):
        path.write_text(table(("file_name", "label"), PAIRS) if kind == "csv" else LINES)
        write(tmp_path, dict.fromkeys(NAMES, b""))
    else:
        with tarfile.open(path, {"tar": "w", "tar.gz": "w:gz", "tar.xz": "w:xz"}[kind]) as made:
            made.add(write(tmp_path / "tree", {f"{n % 2}/{n}.png": png(n) for n in range(4)}), "é" * 120)
    whole = path.read_bytes()
    for _ in range(60):
        damaged = bytearray(whole)
        for place in rng.integers(0, len(whole), rng.integers(1, 8)):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged[: rng.integers(len(whole)) if rng.random() < 0.2 else None])
        try:
            found = source.place_at(tmp_path if kind in ("csv", "jsonl") else path, "set", False)
            for file in [file for at in below(found) for file in found.files(at)]:
                with contextlib.suppress(OSError):
                    assert found.stamp(file)[0] == len(found.open(file).read())
        except DataError as error:
            assert "\n" not in str(error) and str(error).endswith(".")
