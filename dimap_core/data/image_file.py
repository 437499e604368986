"""One image file -> the RGB picture that people see: upright, on white, 16-bit grey scaled to 8 bits.

Formats are those of an allow-list, told by content, and sizes are checked before anything is decoded.
Next door: `decode` makes pixels of many files when they are asked for.
"""

from __future__ import annotations

from typing import BinaryIO

import numpy as np
from PIL import ExifTags, Image, features

_AVIF = features.check("avif")  # where this Pillow was built with it
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM") + (("AVIF",) if _AVIF else ())
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm", ".pbm", ".avif")
LISTED = f"JPEG, PNG, WebP, BMP, TIFF, {'GIF, PPM or AVIF' if _AVIF else 'GIF or PPM'}"
HEAD = 16  # bytes at a file's beginning that tell what it is
MOST_PIXELS = 36_000_000
MOST_BYTES = 64 * 1024**2  # of one file
READING = 2  # changes whenever the same file gives other pixels
TURNED = "turned upright as their cameras say"
ON_WHITE = "with transparency put on white"
SCALED = "of 16-bit grey scaled to 8 bits"
_DAMAGED = "cut short or damaged"
_TAIL = 64  # bytes at a file's end in which a whole JPEG or PNG says that it is whole
_MODES = ("1", "L", "P", "LA", "PA", "La", "RGB", "RGBX", "RGBA", "RGBa", "CMYK", "YCbCr")  # Pillow turns these to RGB
_GREY16 = ("I", "I;16", "I;16B", "I;16L", "I;16N")
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # EXIF 2.32, tag 274: what undoes each orientation


class Unreadable(Exception):
    """Why a file gives no image, in a few words."""


def begins(head: bytes) -> bool:
    """Whether a file's first `HEAD` bytes are those of an image of these formats."""
    Image.init()
    return any((accept := Image.OPEN[name][1]) is not None and accept(head) is True for name in FORMATS)


def look(file: BinaryIO, size: int) -> tuple[str, ...]:
    """What will be done to `file`, of `size` bytes, to see it as people do (`TURNED`, ...); raises Unreadable unless it
    is a whole image. Only what looks cut short is decoded."""
    image = _opened(file, size)
    file.seek(max(0, size - _TAIL))
    tail = file.read()
    whole = (image.format in ("JPEG", "MPO") and b"\xff\xd9" in tail) or (image.format == "PNG" and b"IEND" in tail)
    if not whole:
        file.seek(0)
        picture(file, size)
    known = image.format != "PNG" or "exif" in image.info  # of a PNG Pillow would decode everything to find out
    done = {
        TURNED: known and _orientation(image) in _UPRIGHT,
        ON_WHITE: image.has_transparency_data,
        SCALED: image.mode in _GREY16,
    }
    return tuple(what for what, is_done in done.items() if is_done)


def picture(file: BinaryIO, size: int) -> Image.Image:
    """The image as RGB; raises Unreadable."""
    image = _opened(file, size)
    try:
        image.load()
        shown = _on_white(_eight_bits(image)).convert("RGB")
        turn = _UPRIGHT.get(_orientation(image))
        return shown if turn is None else shown.transpose(turn)
    except Unreadable:
        raise
    except Exception as error:  # Pillow's decoders raise errors of very many kinds
        raise Unreadable(_DAMAGED) from error


def _opened(file: BinaryIO, size: int) -> Image.Image:
    """The image, its header read and nothing more."""
    if size > MOST_BYTES:
        raise Unreadable(f"larger than {MOST_BYTES // 1024**2} MiB")
    try:
        image = Image.open(file, formats=FORMATS)
    except Image.DecompressionBombError:
        raise Unreadable(_too_large()) from None
    except Exception as error:  # Pillow's readers raise errors of very many kinds
        raise Unreadable(f"not a {LISTED} image") from error
    if image.width * image.height > MOST_PIXELS:
        raise Unreadable(_too_large())
    if _animated(image):
        raise Unreadable("animated, or of several pages")
    if any(part.codec_name == "ppm_plain" for part in image.tile):  # Pillow takes 8 s for one of 64 MiB
        raise Unreadable("PPM written as text; save it as PNG")
    if image.mode not in _MODES + _GREY16:
        raise Unreadable(f"pixels of a kind that is not read, {image.mode}; save it as 8-bit RGB")
    return image


def _animated(image: Image.Image) -> bool:
    """Whether there are several pictures; the preview that cameras add as a second one (MPO) is none."""
    try:
        return image.format != "MPO" and getattr(image, "is_animated", False)
    except Exception as error:  # a GIF is read as far as its second picture
        raise Unreadable(_DAMAGED) from error


def _too_large() -> str:
    return f"more than {MOST_PIXELS // 10**6} megapixels"


def _orientation(image: Image.Image) -> int:
    """EXIF's orientation, 1 where there is none that can be read."""
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # damaged EXIF harms no pixel; it raises errors of very many kinds
        return 1


def _eight_bits(image: Image.Image) -> Image.Image:
    """16-bit grey by its upper byte, as Pillow reads 16-bit colour; it would clip grey to white at 255."""
    if image.mode not in _GREY16:
        return image
    values = np.asarray(image)
    if values.min() < 0 or values.max() >= 2**16:
        raise Unreadable("values beyond 16 bits")
    grey = (values >> 8).astype(np.uint8)
    clear = image.info.get("transparency")
    return Image.fromarray(grey if clear is None else np.where(values == clear, np.uint8(255), grey))


def _on_white(image: Image.Image) -> Image.Image:
    """What is transparent over white, as a browser shows it."""
    if not image.has_transparency_data:
        return image
    seen, white = image.convert("RGBA"), Image.new("RGB", image.size, "white")
    white.paste(seen, mask=seen)
    return white
