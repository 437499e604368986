"""Tars of images, read where they lie: an index of plain files, nothing is unpacked by name.

One that is compressed as a whole has no place to jump to, and is decompressed once (`unpacked`).
Next door: `archive` reads zips.
"""

from __future__ import annotations

import io
import lzma
import os
import tarfile
import zlib
from pathlib import Path
from typing import IO, BinaryIO

from ...types import DataError
from ..image_file import HEAD, begins
from .archive import MOST_MEMBER, MOST_MEMBERS, MOST_RATIO, MOST_TOTAL
from .levels import Levels
from .unpacked import PIECE, gzip_pieces, kept, xz_pieces

MOST_UNPACKED = 8 * 1024**3  # bytes of a compressed tar
_HEADER = 2**16  # bytes that one header may take; tarfile would read as many as it claims
_GZIP, _XZ = b"\x1f\x8b", b"\xfd7zXZ\x00"
_BROKEN = (tarfile.TarError, OSError, ValueError, EOFError, RecursionError, zlib.error, lzma.LZMAError, OverflowError)


class _Headers(io.RawIOBase):
    """A file that tarfile may read headers of, and nothing longer."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        """See `io.RawIOBase`."""
        if not 0 <= size <= _HEADER:
            raise ValueError("a header of that size")
        return self._file.read(size)

    def seek(self, place: int, whence: int = io.SEEK_SET) -> int:
        """See `io.RawIOBase`."""
        return self._file.seek(place, whence)

    def tell(self) -> int:
        """See `io.RawIOBase`."""
        return self._file.tell()


class Tar(Levels):
    """A tar, TAR.GZ or TAR.XZ as a tree of image files, see `place.Place`."""

    kind = "tar"

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path, self._name = path, path.name[:80]
        self._members: dict[str, tuple[int, int]] = {}  # where each begins, its size
        self._unpacked: IO[bytes] | None = None
        try:
            self._stamp = path.stat().st_mtime_ns
            with path.open("rb") as file:
                head = file.read(len(_XZ))
                file.seek(0)
                self._unpacked = self._plain(file, head)
                self._index(self._unpacked or file)
        except _BROKEN as error:
            raise DataError(
                f"'{self._name}' is not a tar that can be read ({type(error).__name__}); pack the folder anew."
            ) from None

    def _plain(self, file: BinaryIO, head: bytes) -> IO[bytes] | None:
        """A compressed tar's content; None for one that is not compressed."""
        packed = gzip_pieces if head.startswith(_GZIP) else xz_pieces if head.startswith(_XZ) else None
        if packed is None:
            return None
        most = min(MOST_UNPACKED, MOST_RATIO * max(self._path.stat().st_size, PIECE))
        return kept(packed(file), most, self._name)

    def _index(self, file: IO[bytes]) -> None:
        total, number, end = 0, 0, file.seek(0, io.SEEK_END)
        file.seek(0)
        with tarfile.open(fileobj=_Headers(file), mode="r:") as archive:
            for number, member in enumerate(archive, 1):
                total += member.size if member.isreg() else 0
                if number > MOST_MEMBERS or total > MOST_TOTAL:
                    what = f"{MOST_MEMBERS:,} files" if number > MOST_MEMBERS else f"{MOST_TOTAL // 1024**3} GiB"
                    raise DataError(
                        f"'{self._name}' holds more than {what}; give the folder itself, or a tar of fewer images."
                    )
                if not member.isdir():
                    self._add(member, file, end)
        if not number:
            raise EOFError

    def _add(self, member: tarfile.TarInfo, file: IO[bytes], end: int) -> None:
        place = member.offset_data, member.size
        name = member.name.removeprefix("./")

        def begins_as_image() -> bool:
            before = file.tell()
            file.seek(place[0])
            head = file.read(min(HEAD, place[1]))
            file.seek(before)
            return begins(head)

        if self.take(name, _why_not(member, end), begins_as_image):
            self._members[name] = place

    def stamp(self, file: str) -> tuple[int, ...]:
        """See `place.Place`."""
        place, size = self._members[file]
        return size, place, self._stamp

    def open(self, file: str) -> BinaryIO:
        """See `place.Place`."""
        place, size = self._members[file]
        if self._unpacked is not None:
            return io.BytesIO(os.pread(self._unpacked.fileno(), size, place))
        with self._path.open("rb") as archive:  # opened anew, so that the disk of a deleted upload is free
            archive.seek(place)
            return io.BytesIO(archive.read(size))


def _why_not(member: tarfile.TarInfo, end: int) -> str:
    """Why a member is left out, if it is."""
    if member.issym() or member.islnk():
        return "links"
    if not member.isreg():
        return "neither files nor folders"
    if member.issparse():
        return "unusually packed files"
    if member.size > MOST_MEMBER:
        return f"files above {MOST_MEMBER // 1024**2} MiB"
    return "" if member.offset_data + member.size <= end else "cut short"
