"""From image files to pixels, in threads, when they are asked for: an array that is filled as it is read.

What was decoded is kept up to a limit over all sets; what comes next is decoded ahead while the model works on what
came before.
Next door: `trees` and `archive` open the files, `subset` chooses them, `image_file` reads one.
"""

from __future__ import annotations

import base64
import io
import os
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
from PIL import Image

from .image_file import MOST_BYTES, Unreadable, picture
from .places import Place

LIMIT = int(os.environ.get("DIMAP_IMAGES_MIB", "1024")) * 1024**2  # bytes of decoded images kept, all sets together
_AHEAD = 64  # images decoded before they are asked for

Transform = Callable[[Image.Image], np.ndarray]
"""A picture -> uint8 [3, H, W]."""


@cache
def pool() -> ThreadPoolExecutor:
    """The threads that read and decode; Pillow lets go of Python's lock meanwhile."""
    return ThreadPoolExecutor(min(4, max(2, os.cpu_count() or 1)), "decode")


class Memory:
    """Decoded images by their owner and number, at most `limit` bytes; owners used longest ago go first."""

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit, self.used = limit, 0
        self._kept: OrderedDict[int, dict[int, np.ndarray]] = OrderedDict()

    def of(self, owner: Any) -> dict[int, np.ndarray]:
        """What is kept for an owner, which becomes the one used last."""
        key = id(owner)
        if key not in self._kept:
            self._kept[key] = {}
            weakref.finalize(owner, self._forget, key)
        self._kept.move_to_end(key)
        return self._kept[key]

    def keep(self, owner: Any, number: int, pixels: np.ndarray) -> None:
        """Keep an image if it fits once every other owner has made room."""
        mine = self.of(owner)
        while self.used + pixels.nbytes > self.limit and len(self._kept) > 1:
            self._forget(next(iter(self._kept)))
        if number not in mine and self.used + pixels.nbytes <= self.limit:
            mine[number] = pixels
            self.used += pixels.nbytes

    def _forget(self, key: int) -> None:
        self.used -= sum(pixels.nbytes for pixels in self._kept.pop(key, {}).values())


MEMORY = Memory()


class Decoded:
    """uint8 [N, 3, H, W], read by number, slice or array of numbers as a numpy array is; files become pixels then.

    `files`: one an image; `spares`: by place, files that may stand in for one that cannot be decoded (with none left
    it is black). `failed` tells which could not, by number. Neighbours that are read together have the next ones
    decoded ahead.
    """

    dtype = np.dtype(np.uint8)

    def __init__(
        self, place: Place, files: Sequence[str], spares: Callable[[int], Sequence[str]], transform: Transform,
        side: int, memory: Memory = MEMORY,
    ) -> None:  # fmt: skip
        self.shape = (len(files), 3, side, side)
        self.failed: dict[int, str] = {}
        self._place, self._files, self._spares, self._transform = place, files, spares, transform
        self._memory = memory
        self._pending: dict[int, Future[tuple[np.ndarray, str]]] = {}

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def nbytes(self) -> int:
        """Bytes of all images decoded."""
        return int(np.prod(self.shape))

    def __getitem__(self, index: Any) -> np.ndarray:
        numbers = np.arange(len(self))[index]
        wanted = np.atleast_1d(numbers).tolist()
        found = self._gather(wanted)
        if len(wanted) > 1 and wanted == list(range(wanted[0], wanted[0] + len(wanted))):
            self._ahead(wanted[-1] + 1)
        if np.ndim(numbers) == 0:
            return found[0]
        return np.stack(found) if found else np.empty((0, *self.shape[1:]), np.uint8)

    def missing(self, numbers: Sequence[int]) -> list[int]:
        """Those of some images that are not decoded, or not kept."""
        kept = self._memory.of(self)
        return [number for number in numbers if number not in kept]

    def steps(self, numbers: Sequence[int], step: int) -> Iterator[int]:
        """Decode some images, a few at a time; yields how many are done."""
        for start in range(0, len(numbers), step):
            self._gather(list(numbers[start : start + step]))
            yield min(start + step, len(numbers))

    def _gather(self, wanted: list[int]) -> list[np.ndarray]:
        kept = self._memory.of(self)
        here = {number: kept[number] for number in wanted if number in kept}
        missing = [number for number in dict.fromkeys(wanted) if number not in here]
        for number in missing:
            self._submit(number)
        for number in missing:
            pixels, why = self._pending.pop(number).result()
            if why:
                self.failed[number] = why
            here[number] = pixels
            self._memory.keep(self, number, pixels)
        return [here[number] for number in wanted]

    def _ahead(self, start: int) -> None:
        kept = self._memory.of(self)
        for number in range(start, min(start + _AHEAD, len(self))):
            if number not in kept:
                self._submit(number)

    def _submit(self, number: int) -> None:
        if number not in self._pending:
            self._pending[number] = pool().submit(self._decode, number)

    def _decode(self, number: int) -> tuple[np.ndarray, str]:
        """(pixels, why they are another file's or black)."""
        why = ""
        for file in (self._files[number], *self._spares(number)):
            try:
                size = self._place.stamp(file)[0]
                with self._place.open(file) as content:
                    return self._transform(picture(io.BytesIO(content.read(MOST_BYTES)), size)), why
            except (Unreadable, OSError) as error:
                why = why or (str(error) if isinstance(error, Unreadable) else "gone or not readable")
        return np.zeros(self.shape[1:], np.uint8), why


def thumbnail(image: np.ndarray, side: int) -> str:
    """An image, uint8 [3, H, W], as an address that holds it as PNG; larger ones shrink to `side` pixels."""
    picture, pixels = io.BytesIO(), Image.fromarray(image.transpose(1, 2, 0))
    pixels.thumbnail((side, side))
    pixels.save(picture, "PNG")
    return "data:image/png;base64," + base64.b64encode(picture.getvalue()).decode()
