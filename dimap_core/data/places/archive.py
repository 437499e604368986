"""Zips of images, read where they lie: nothing is unpacked to disk, no name inside one is ever used as a path.

Sizes are checked in the zip's own directory before anything is read, and again while a member is decompressed.
Next door: `trees` reads folders.
"""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO

from ...types import DataError
from ..image_file import HEAD, begins
from .levels import Levels

MOST_MEMBERS = 100_000
MOST_TOTAL = 16 * 1024**3  # bytes of all members unpacked
MOST_MEMBER = 64 * 1024**2
MOST_RATIO = 100  # unpacked / packed; photographs hardly shrink at all
_DIRECTORY = 16 * 1024**2  # bytes of the zip's directory, all of which is held in memory for a moment
_BEGINNING = 1024  # packed bytes from which a member's first few can be told
_LOCAL = struct.Struct("<4s5H3I2H")


class Zip(Levels):
    """A zip as a tree of image files, see `place.Place`."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path, self._name = path, path.name[:80]
        self._members: dict[str, zipfile.ZipInfo] = {}
        members = self._directory()
        self._check(members)
        for member in members:
            if not member.is_dir():
                self._add(member)

    def _directory(self) -> list[zipfile.ZipInfo]:
        """Every member, as the zip's directory lists them; raises DataError where that is too long or damaged."""
        try:
            if _directory_size(self.path) > _DIRECTORY:
                raise self._refusal(f"holds more than {MOST_MEMBERS:,} files")
            with zipfile.ZipFile(self.path) as archive:
                return archive.infolist()
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error) as error:
            raise DataError(
                f"'{self._name}' is not a zip that can be read ({type(error).__name__}); pack the folder anew."
            ) from None

    def _check(self, members: list[zipfile.ZipInfo]) -> None:
        unpacked = sum(member.file_size for member in members)
        packed = max(1, self.path.stat().st_size)
        if len(members) > MOST_MEMBERS:
            raise self._refusal(f"holds more than {MOST_MEMBERS:,} files")
        if unpacked > MOST_TOTAL:
            raise self._refusal(f"unpacks to more than {MOST_TOTAL // 1024**3} GiB")
        if unpacked > MOST_RATIO * packed:
            raise self._refusal(f"unpacks to more than {MOST_RATIO} times its size, which images do not")

    def _refusal(self, what: str) -> DataError:
        return DataError(f"'{self._name}' {what}; give the folder itself, or a zip of fewer images.")

    def _add(self, member: zipfile.ZipInfo) -> None:
        if self.take(member.filename, _why_not(member), lambda: self._image(member)):
            self._members[member.filename] = member

    def stamp(self, file: str) -> tuple[int, ...]:
        """See `place.Place`."""
        return self._members[file].file_size, self._members[file].CRC

    def open(self, file: str) -> BinaryIO:
        """A member's content, at most as long as the directory promised; raises OSError for one that is damaged.

        Read by hand, because a zipfile.ZipFile would keep the file, and with it the disk of a deleted upload.
        """
        member = self._members[file]
        content = self._unpacked(member, member.compress_size, member.file_size + 1)
        if len(content) != member.file_size or zlib.crc32(content) != member.CRC:
            raise OSError("the zip is damaged")
        return io.BytesIO(content)

    def _unpacked(self, member: zipfile.ZipInfo, packed: int, most: int) -> bytes:
        """The first `most` bytes of a member, as far as its first `packed` stored ones give them."""
        with self.path.open("rb") as archive:
            archive.seek(member.header_offset)
            header = archive.read(_LOCAL.size)
            if len(header) < _LOCAL.size or header[:4] != b"PK\x03\x04":
                raise OSError("the zip is damaged")
            name, extra = _LOCAL.unpack(header)[-2:]
            archive.seek(name + extra, io.SEEK_CUR)
            content = archive.read(packed)
        if member.compress_type != zipfile.ZIP_DEFLATED:
            return content
        try:
            return zlib.decompressobj(-zlib.MAX_WBITS).decompress(content, most)
        except zlib.error:
            raise OSError("the zip is damaged") from None

    def _image(self, member: zipfile.ZipInfo) -> bool:
        """Whether a member without an ending is an image by its first bytes."""
        try:
            return begins(self._unpacked(member, min(_BEGINNING, member.compress_size), HEAD)[:HEAD])
        except OSError:
            return False


def _why_not(member: zipfile.ZipInfo) -> str:
    """Why a member is left out, if it is."""
    if stat.S_ISLNK(member.external_attr >> 16):
        return "links"
    if member.flag_bits & 0x1 or member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "encrypted or unusually packed files"
    if max(member.file_size, member.compress_size) > MOST_MEMBER:
        return f"files above {MOST_MEMBER // 1024**2} MiB"
    return ""


def _directory_size(path: Path) -> int:
    """Bytes of a zip's directory as its end record tells; 0 where there is none."""
    with path.open("rb") as file:
        length = file.seek(0, io.SEEK_END)
        file.seek(max(0, length - 2**16 - 22 - 20))
        tail = file.read()
        place = tail.rfind(b"PK\x05\x06")
        if place < 0 or len(tail) < place + 22:
            return 0
        (size,) = struct.unpack_from("<I", tail, place + 12)
        locator = place - 20
        if locator >= 0 and tail[locator : locator + 4] == b"PK\x06\x07":  # zip64
            (record,) = struct.unpack_from("<Q", tail, locator + 8)
            file.seek(min(record, length))
            end = file.read(56)
            size = max(size if size != 0xFFFFFFFF else 0, *struct.unpack_from("<Q", end, 40)) if len(end) == 56 else 0
        return size
