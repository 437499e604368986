"""Hostile folders, zips and images: one sentence, or skipped and counted; memory and disk stay as they were."""

import io
import json
import os
import struct
import subprocess
import sys
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dimap_core.data import permitted, subset
from dimap_core.data.places import archive, trees
from dimap_core.data.places.archive import Zip
from dimap_core.data.sources import ImageSource
from dimap_core.pipeline import images
from dimap_core.types.errors import DataError

ROOT = Path(__file__).parents[2]


def picture(form="PNG", size=(40, 30), **more):
    content = io.BytesIO()
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)).save(content, form, **more)
    return content.getvalue()


def huge_png(side=100_000):
    """A PNG of 10 billion pixels in 100 bytes: its header promises them, there is next to no data."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def animation(form):
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    content = io.BytesIO()
    frames[0].save(content, form, save_all=True, append_images=frames[1:])
    return content.getvalue()


HOSTILE = {
    "huge.png": (huge_png(), "more than 36 megapixels"),
    "large.png": (huge_png(6001), "more than 36 megapixels"),
    "cut.jpg": (picture("JPEG")[:700], "cut short or damaged"),
    "cut.png": (picture()[:700], "cut short or damaged"),
    "text.jpg": (b"not an image at all", "not a JPEG"),
    "empty.png": (b"", "not a JPEG"),
    "page.png": (b"<html><script>alert(1)</script></html>", "not a JPEG"),
    "drawing.png": (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "not a JPEG"),
    "moving.gif": (animation("GIF"), "animated"),
    "moving.png": (animation("PNG"), "animated"),
    "moving.webp": (animation("WEBP"), "animated"),
    "pages.tiff": (animation("TIFF"), "animated, or of several pages"),
    "cut.tif": (picture("TIFF")[:700], "cut short or damaged"),
    "cut.gif": (picture("GIF")[:1000], "cut short or damaged"),
    "cut.ppm": (picture("PPM")[:700], "cut short or damaged"),
    "text.ppm": (b"P3 1 1 255 1 2 3\n", "PPM written as text"),
    "icon.png": (picture("ICO"), "not a JPEG"),
    "other": (picture("PNG")[:700], "cut short or damaged"),
    "code.jpg": (b"\x80\x04cos\nsystem\n(S'touch /tmp/owned'\ntR.", "not a JPEG"),
}


def tree(root, extra=()):
    """Two classes of two good images each, and `extra` (path, content)."""
    for name in ("0/a.png", "0/b.png", "1/a.png", "1/b.png"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(picture())
    for name, content in extra:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def packed(path, members=(), good=True):
    """A zip of two classes, and `members` (ZipInfo or name, content)."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name in ("0/a.png", "0/b.png", "1/a.png", "1/b.png") if good else ():
            made.writestr(name, picture())
        for member, content in members:
            made.writestr(member, content)
    return path


def chosen(opened, source, count=0):
    *_, (_, found) = images.judged_by(opened, ImageSource(source, count=count))
    return found.chosen


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_a_hostile_file_is_skipped_counted_and_named(tiny_swin, tmp_path, name, kind):
    content, why = HOSTILE[name]
    if kind == "folder":
        source = f"folder:{tree(tmp_path / 'set', [(f'0/{name}', content)])}"
    else:
        source = f"zip:{packed(tmp_path / 'set.zip', [(f'0/{name}', content)])}"
    before = sorted(path for path in tmp_path.rglob("*"))
    found = chosen(tiny_swin, source)
    assert len(found.judged) == 4 and found.judged.images[:].any(axis=(1, 2, 3)).all()
    (note,) = [note for note in found.facts.notes if "could not be read" in note]
    assert note.startswith(f"1 of 5 files could not be read: 0/{name} ({why}") and "\n" not in note
    assert sorted(path for path in tmp_path.rglob("*")) == before


def test_links_out_of_the_folder_are_left_out_and_those_inside_are_followed(tiny_swin, tmp_path, monkeypatch):
    monkeypatch.setenv("DIMAP_ROOTS", str(tmp_path / "allowed"))
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "face.png").write_bytes(picture())
    root = tree(tmp_path / "set")
    (root / "0" / "out.png").symlink_to(tmp_path / "secret" / "face.png")
    (root / "0" / "loop.png").symlink_to(root / "0" / "loop.png")
    (root / "0" / "gone.png").symlink_to(root / "0" / "nothing.png")
    (root / "0" / "in.png").symlink_to(root / "1" / "a.png")
    (root / "2").symlink_to(tmp_path / "secret")
    os.mkfifo(root / "1" / "pipe.png")  # opening it would wait for ever
    found = chosen(tiny_swin, f"folder:{root}")
    assert len(found.judged) == 5 and [row.folder for row in found.facts.rows] == ["0", "1"]
    (note,) = [note for note in found.facts.notes if note.startswith("Left out: ")]
    assert "links that lead out of the folder (2)" in note and "neither files nor folders" in note


def link(name, target):
    member = zipfile.ZipInfo(name)
    member.external_attr = 0o120777 << 16
    return member, target


@pytest.mark.parametrize(
    ("members", "judged", "told"),
    [
        ([("../../evil/a.png", picture())], 4, "names that lead out of the zip (1)"),
        ([("/etc/a.png", picture())], 4, "names that lead out of the zip (1)"),
        ([("..\\evil\\a.png", picture()), ("C:/x/a.png", picture())], 4, "names that lead out of the zip (2)"),
        ([link("0/link.png", "/etc/passwd")], 4, "links (1)"),
        ([("0/inner.zip", packed(io.BytesIO()).getvalue())], 4, "files without an image's name (1)"),
        ([("0/README", "no image"), ("0/empty", b"")], 4, "files without an image's name (2)"),
        ([("0/padded.png", bytes(2**18) + picture())], 4, "0/padded.png (not a JPEG"),
        ([("0/" + "n" * 60_000 + ".png", picture())], 5, "Judged on 5 images"),
        ([("0/\u202e名前 🐈.png", picture())], 5, "Judged on 5 images"),
    ],
    ids=["slip", "absolute", "windows", "link", "nested", "no ending", "padded", "long name", "unicode"],
)
def test_a_hostile_zip_writes_nothing_and_what_is_left_out_is_counted(tiny_swin, tmp_path, members, judged, told):
    path = packed(tmp_path / "set.zip", members)
    found = chosen(tiny_swin, f"zip:{path}")
    assert list(tmp_path.iterdir()) == [path] and len(found.judged) == len(found.judged.images[:]) == judged
    assert any(told in note for note in found.facts.notes)
    assert all("\n" not in note and len(note) < 600 for note in found.facts.notes)
    json.dumps(found.facts.as_json(), ensure_ascii=False).encode()


def test_damaged_encrypted_and_lying_members_are_skipped(tiny_swin, tmp_path):
    path = packed(tmp_path / "set.zip", [("0/c.png", picture()), ("1/c.png", picture("PNG", (41, 30)))])
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as made:
        places_ = [made.getinfo(name).header_offset for name in ("0/c.png", "1/c.png")]
    content[places_[0] : places_[0] + 4] = b"XXXX"  # no member begins here
    content[places_[1] + 60] ^= 0xFF  # a byte of its data
    path.write_bytes(content)
    found = chosen(tiny_swin, f"zip:{path}")
    assert len(found.judged) == 4 and any(note.startswith("2 of 6 files") for note in found.facts.notes)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda path: path.write_bytes(b"PK no zip"), "is not a zip that can be read"),
        (lambda path: path.write_bytes(packed(path).read_bytes()[:-40]), "is not a zip that can be read"),
        (lambda path: packed(path, [("0/bomb.bmp", bytes(30 * 2**20))]), "unpacks to more than 100 times its size"),
        (lambda path: packed(path, good=False), "no sub-folders"),
        (lambda path: packed(path, [("only/a.png", picture())], good=False), "one class only"),
        (lambda path: packed(path, [("0/a.txt", "x"), ("1/a.txt", "x")], good=False), "no sub-folders"),
    ],
    ids=["text", "cut", "bomb", "empty", "one class", "no images"],
)
def test_a_zip_that_is_none_is_refused_in_one_sentence(tiny_swin, tmp_path, make, told):
    path = tmp_path / "set.zip"
    make(path)
    with pytest.raises(DataError) as refused:
        chosen(tiny_swin, f"zip:{path}")
    assert told in str(refused.value) and "\n" not in str(refused.value) and str(refused.value).endswith(".")


def test_a_zip_with_a_directory_out_of_all_proportion_is_refused_before_it_is_read(tmp_path, monkeypatch):
    path = packed(tmp_path / "set.zip", [(f"0/{number}.png", b"") for number in range(10_000)])
    assert len(Zip(path).files("0")) == 10_002
    monkeypatch.setattr(archive, "MOST_MEMBERS", 10_000)
    with pytest.raises(DataError, match="holds more than 10,000 files"):
        Zip(path)
    monkeypatch.setattr(archive, "_DIRECTORY", 1000)
    monkeypatch.setattr(zipfile, "ZipFile", None)  # it is not even opened
    with pytest.raises(DataError, match="holds more than 10,000 files"):
        Zip(path)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda root: None, "is not a folder that can be read"),
        (lambda root: root.mkdir(), "no sub-folders"),
        (lambda root: root.write_bytes(b""), "is not a folder that can be read"),
        (lambda root: (root / "cats").mkdir(parents=True), "one class only, among which every answer is right"),
        (lambda root: [(root / name).mkdir(parents=True) for name in "01"], "holds no images"),
    ],
    ids=["missing", "empty", "file", "one class", "empty classes"],
)
def test_a_folder_without_images_is_refused_in_one_sentence(tiny_swin, tmp_path, make, told):
    make(tmp_path / "set")
    with pytest.raises(DataError) as refused:
        chosen(tiny_swin, f"folder:{tmp_path / 'set'}")
    assert told in str(refused.value) and "\n" not in str(refused.value) and str(refused.value).endswith(".")


def test_ten_thousand_files_are_fine_and_the_limit_is_stated(tiny_swin, tmp_path, monkeypatch):
    root = tree(tmp_path / "set")
    for number in range(10_000):
        os.link(root / "0" / "a.png", root / str(number % 2) / f"{number}.png")
    found = chosen(tiny_swin, f"folder:{root}", count=50)
    assert len(found.judged) == 50 and [row.files for row in found.facts.rows] == [5002, 5002]
    monkeypatch.setattr(subset, "MOST_FOLDERS", 1)
    with pytest.raises(DataError, match="holds more than 1 sub-folders"):
        chosen(tiny_swin, f"folder:{root}")
    monkeypatch.setattr(trees, "MOST_FILES", 10_000)
    with pytest.raises(DataError, match="holds more than 10,000 files; give a part of it"):
        chosen(tiny_swin, f"folder:{root}")


def test_names_that_are_no_text_can_be_told(tiny_swin, tmp_path):
    named = replace(tiny_swin, info=replace(tiny_swin.info, class_names=()))
    root = tree(tmp_path / "set")
    for name in (os.fsdecode(b"\xff\xfe"), "長" * 80 + "🐈", "<b>", "‹b›", "[x](http:..x)\u202e"):
        (root / name).mkdir()
        (root / name / os.fsdecode(b"\xfe.png")).write_bytes(b"broken")
    found = chosen(named, f"folder:{tmp_path / 'set'}")
    text = json.dumps(found.facts.as_json(), ensure_ascii=False).encode()  # no lone surrogates
    shown = [row.folder for row in found.facts.rows]
    assert {"??", "‹b›", "‹b›'", "(x)(http:..x)\ufffd"} < set(shown) and len(set(shown)) == 7
    assert "長".encode() in text and len(found.judged) == 4


def test_only_paths_below_the_allowed_roots_may_be_named_from_a_browser(tmp_path, monkeypatch):
    (tmp_path / "open").mkdir()
    (tmp_path / "open" / "out").symlink_to("/etc")
    monkeypatch.setenv("DIMAP_ROOTS", f"{tmp_path / 'open'}:{tmp_path / 'other'}")
    assert permitted.allowed(str(tmp_path / "open" / "set")) == tmp_path / "open" / "set"
    for path in (
        "/etc",
        f"{tmp_path}/open/../closed",
        f"{tmp_path}/open/out",
        f"{tmp_path}/opened",
        "~root",
        "\0",
        "x" * 9999,
    ):
        with pytest.raises(DataError) as refused:
            permitted.allowed(path)
        assert len(str(refused.value)) < 400


WORST = """
import resource, sys
from dimap_core import pipeline
from dimap_core.data.sources import ImageSource

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # MiB

opened = pipeline.open_model("deit-digits")
before = 0
for source in sys.argv[1:]:
    *_, (_, found) = pipeline.judged_by(opened, ImageSource(source, count=0))
    found.chosen.judged.images[:]
    print(peak() - before, " ".join(found.chosen.facts.notes))
    before = peak()
"""


def test_the_worst_take_hardly_any_memory(tmp_path):
    pixels = tree(tmp_path / "set", [(f"{number % 2}/{number}.png", huge_png()) for number in range(64)])
    bomb = packed(tmp_path / "set.zip", [("0/bomb.bmp", bytes(2**26))])  # its directory says that it unpacks to a MiB
    bomb.write_bytes(bomb.read_bytes().replace(struct.pack("<I", 2**26), struct.pack("<I", 2**20)))
    sources = f"folder:{tree(tmp_path / 'good')}", f"folder:{pixels}", f"zip:{bomb}"
    command = [sys.executable, "-c", WORST, *sources]
    out = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    _, *worst = (line.split(maxsplit=1) for line in out.splitlines())
    for (taken, said), told in zip(worst, ("more than 36 megapixels", "the zip is damaged"), strict=True):
        assert told in said and float(taken) < 20, (taken, said)
