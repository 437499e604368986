"""One file as people see it: upright, on white, 16 bits scaled to 8; and what is told of it."""

import io
import struct
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from dimap_core.data import one_image
from dimap_core.data.from_source import transform_of
from dimap_core.data.image_file import (
    FORMATS,
    HEAD,
    LISTED,
    ON_WHITE,
    SCALED,
    SUFFIXES,
    TURNED,
    Unreadable,
    begins,
    look,
    picture,
)
from dimap_core.data.sources import ImageSource
from dimap_core.pipeline import images

RNG = np.random.default_rng(0)
COLOURS = RNG.integers(0, 256, (6, 9, 3), dtype=np.uint8)
RAMP = np.arange(0, 2**16, 41, dtype=np.uint16)[None].repeat(3, 0)


def written(image, form="PNG", **more):
    content = io.BytesIO()
    image.save(content, form, **more)
    return content.getvalue()


def exif(orientation):
    found = Image.Exif()
    found[274] = orientation
    return found


def seen(content):
    return np.asarray(picture(io.BytesIO(content), len(content)))


def told(content):
    return look(io.BytesIO(content), len(content))


def as_taken(upright, orientation):
    """What a camera held another way stores: that from which Pillow, told of it, gives `upright` back."""
    for way in (None, *Image.Transpose):
        stored = upright if way is None else upright.transpose(way)
        marked = stored.copy()
        marked.getexif()[274] = orientation
        if np.array_equal(np.asarray(ImageOps.exif_transpose(marked)), np.asarray(upright)):
            return stored
    raise AssertionError(orientation)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF"])
def test_cameras_held_any_way_give_the_same_picture(orientation, form):
    upright = Image.fromarray(COLOURS)
    more = {"lossless": True} if form == "WEBP" else {}
    content = written(as_taken(upright, orientation), form, exif=exif(orientation), **more)
    assert np.array_equal(seen(content), COLOURS)
    assert (TURNED in told(content)) == (orientation > 1)


def test_a_sideways_jpeg_is_the_upright_one():
    stored = Image.fromarray(COLOURS).transpose(Image.Transpose.ROTATE_90)
    marked, plain = written(stored, "JPEG", exif=exif(6)), written(stored, "JPEG")
    assert np.array_equal(seen(marked), np.rot90(seen(plain), -1)) and seen(marked).shape == COLOURS.shape
    assert told(marked) == (TURNED,) and told(plain) == ()


def test_damaged_exif_harms_no_pixel():
    plain = written(Image.fromarray(COLOURS), "JPEG")
    damaged = plain[:2] + b"\xff\xe1\x00\x0eExif\x00\x00MM\xff\xff\xff\xff" + plain[2:]
    assert np.array_equal(seen(damaged), seen(plain)) and told(damaged) == ()


def big_endian(values):
    return Image.frombytes("I;16B", values.shape[::-1], values.astype(">u2").tobytes())


@pytest.mark.parametrize(
    ("make", "form"),
    [
        (Image.fromarray, "PNG"),
        (lambda values: Image.fromarray(values.astype(np.int32)), "PPM"),
        (Image.fromarray, "TIFF"),
        (big_endian, "TIFF"),
        (lambda values: Image.fromarray(values.astype(np.int32)), "TIFF"),
    ],
    ids=["png", "pgm", "little-endian tiff", "big-endian tiff", "32-bit tiff"],
)
def test_sixteen_bits_of_grey_are_scaled_not_clipped(make, form):
    content = written(make(RAMP), form)
    assert np.array_equal(seen(content), np.repeat((RAMP // 256).astype(np.uint8)[..., None], 3, -1))
    assert told(content) == (SCALED,)


@pytest.mark.parametrize("widened", [256, 257])
def test_eight_bits_kept_as_sixteen_come_back(widened):
    grey = np.arange(256, dtype=np.uint16)[None]
    assert np.array_equal(seen(written(Image.fromarray(grey * widened)))[..., 0], grey)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM", "AVIF"])
def test_each_format_is_told_by_content_and_gives_its_pixels(form):
    if form not in FORMATS:
        pytest.skip("this Pillow was built without AVIF")
    grey = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16))
    image = grey if form == "GIF" else Image.merge("RGB", [grey, grey.rotate(90), grey.rotate(180)])
    content = written(image, form)
    assert begins(content[:HEAD]) and told(content) == ()
    assert f".{form.lower()}" in SUFFIXES and (form == "AVIF" or form.casefold() in LISTED.casefold())
    off = np.abs(seen(content).astype(int) - np.asarray(image.convert("RGB")))
    assert off.mean() < 5 if form in ("JPEG", "WEBP", "AVIF") else not off.any()


def test_a_file_without_an_ending_is_an_image_by_its_first_bytes(tiny_swin, tmp_path):
    made = {"0/n01": written(Image.fromarray(COLOURS)), "0/README": b"words", "0/x.": b""}
    made |= {"1/n02": written(Image.fromarray(COLOURS), "JPEG"), "1/n02.png": written(Image.fromarray(RAMP))}
    with zipfile.ZipFile(tmp_path / "set.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in made.items():
            archive.writestr(name, content)
    zipfile.ZipFile(tmp_path / "set.zip").extractall(tmp_path / "set")
    for source in (f"zip:{tmp_path / 'set.zip'}", f"folder:{tmp_path / 'set'}"):
        *_, (_, found) = images.judged_by(tiny_swin, ImageSource(source, count=0))
        assert [row.files for row in found.chosen.facts.rows] == [1, 2] and len(found.chosen.judged.images[:]) == 3
        assert "Left out: files without an image's name (2)." in found.chosen.facts.notes


ALPHA = np.array([[0, 255, 128]], np.uint8)


def over_white(colour, alpha):
    """Porter and Duff's "over" with opaque white below, to a level: Pillow rounds on its way."""
    return colour * (alpha / 255) + 255 * (1 - alpha / 255)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_what_is_transparent_is_seen_on_white(mode):
    bands = 1 if mode == "LA" else 3
    colour = RNG.integers(0, 256, (1, 3, bands), dtype=np.uint8)
    layers = [*(Image.fromarray(colour[..., band]) for band in range(bands)), Image.fromarray(ALPHA)]
    content = written(Image.merge(mode, layers))
    expected = over_white(colour.astype(float), ALPHA[..., None].astype(float))
    assert np.abs(seen(content) - expected).max() <= 1 and (seen(content)[0, 0] == 255).all()
    assert np.array_equal(seen(content)[0, 1], np.broadcast_to(colour[0, 1], 3)) and told(content) == (ON_WHITE,)


def test_transparent_palettes_and_keys_are_seen_on_white():
    indexed = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    indexed.putpalette([10, 20, 30, 40, 50, 60])
    assert seen(written(indexed, transparency=0)).tolist() == [[[255] * 3, [40, 50, 60]]]
    assert seen(written(indexed, transparency=bytes([255, 0]))).tolist() == [[[10, 20, 30], [255] * 3]]
    assert seen(written(indexed)).tolist() == [[[10, 20, 30], [40, 50, 60]]] and told(written(indexed)) == ()
    grey = Image.fromarray(np.array([[7, 9]], np.uint8))
    assert seen(written(grey, transparency=7)).tolist() == [[[255] * 3, [9] * 3]]
    wide = Image.fromarray(np.array([[1000, 9 * 256]], np.uint16))
    content = written(wide)
    key = b"tRNS" + struct.pack(">H", 1000)
    content = content[:33] + struct.pack(">I", 2) + key + struct.pack(">I", zlib.crc32(key)) + content[33:]
    assert seen(content).tolist() == [[[255] * 3, [9] * 3]]


def test_one_bit_is_black_and_white():
    bits = np.array([[0, 1, 1, 0]], bool)
    assert np.array_equal(seen(written(Image.fromarray(bits)))[..., 0], bits * 255)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (np.int32(2**16), "values beyond 16 bits"),
        (np.int32(-1), "values beyond"),
        (np.float32(0.5), "kind that is not"),
    ],
)
def test_values_that_fit_no_grey_are_refused(values, why):
    content = written(Image.fromarray(np.full((2, 2), values)), "TIFF")
    for read in (seen, told):
        with pytest.raises(Unreadable, match=why):
            read(content)


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
def test_folder_zip_and_single_image_are_decoded_alike_and_it_is_told(tiny_swin, tmp_path, packed):
    side, other = RNG.integers(0, 256, (2, 40, 32, 3), dtype=np.uint8)
    made = {
        "0/a.png": written(as_taken(Image.fromarray(side), 6), exif=exif(6)),
        "0/b.png": written(Image.fromarray(RAMP)),
        "1/a.png": written(Image.fromarray(np.dstack([other, np.full((40, 32), 9, np.uint8)]))),
        "1/b.png": written(Image.fromarray(side)),
    }
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for name, content in made.items():
            archive.writestr(name, content)
    if not packed:
        zipfile.ZipFile(tmp_path / "set.zip").extractall(tmp_path / "set")
    source = f"zip:{tmp_path / 'set.zip'}" if packed else f"folder:{tmp_path / 'set'}"
    *_, (_, found) = images.judged_by(tiny_swin, ImageSource(source, count=0))
    model, info = tiny_swin.model, tiny_swin.info
    shown = {image.tobytes() for image in found.chosen.judged.images[:]}
    assert shown == {one_image(content, model, info).tobytes() for content in made.values()}
    assert transform_of(model, info)[0](Image.fromarray(side)).tobytes() in shown and len(shown) == 3
    (note,) = (note for note in found.chosen.facts.notes if note.startswith("Judged as people see them: "))
    assert all(f"1 {what}" in note for what in (TURNED, SCALED, ON_WHITE))
