"""What is compressed as a whole, decompressed once into a temporary file that has no name and goes with this process.

Next door: `tar` and `parquet` read it by place.
"""

from __future__ import annotations

import gzip
import lzma
import shutil
import tempfile
from collections.abc import Iterator
from typing import IO, BinaryIO

from ...types import TEMPORARY, DataError, sentence

_MEMORY = 256 * 1024**2  # of the xz decoder; xz -9 takes 65 MiB
PIECE = 2**20


def gzip_pieces(file: BinaryIO) -> Iterator[bytes]:
    """What a gzip holds, a piece at a time."""
    with gzip.GzipFile(fileobj=file) as packed:
        while piece := packed.read(PIECE):
            yield piece


def xz_pieces(file: BinaryIO) -> Iterator[bytes]:
    """What an xz holds, a piece at a time, with bounded memory."""
    decoder = lzma.LZMADecompressor(memlimit=_MEMORY)
    while not decoder.eof:
        piece = file.read(PIECE) if decoder.needs_input else b""
        if decoder.needs_input and not piece:
            raise EOFError
        yield decoder.decompress(piece, PIECE)


def kept(pieces: Iterator[bytes], most: int, name: str) -> IO[bytes]:
    """A temporary file without a name that holds all pieces; raises DataError beyond `most` bytes, or where the disk
    has no room for them."""
    file = tempfile.TemporaryFile()  # noqa: SIM115
    free = shutil.disk_usage(tempfile.gettempdir()).free
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > most:
            file.close()
            raise DataError(f"'{name}' unpacks to more than {most / 1024**3:,.3g} GiB; unpack it and give the folder.")
        if size > free // 2:
            file.close()
            raise DataError(sentence(tempfile.gettempdir(), OSError(28, "no space left"), TEMPORARY))
        file.write(piece)
    file.flush()
    return file
