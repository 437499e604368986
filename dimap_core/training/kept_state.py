"""A training's state on disk, from which one that was stopped goes on. Next door: `loop` saves and loads it; `recovery`
and `recipes` keep it fresh."""

from __future__ import annotations

import time
from pathlib import Path

from ..types import CheckpointError, told
from .loop import Training


class Kept:
    """A training's state on disk, so that one that was killed goes on where it was a few seconds before."""

    _LEAST = 5.0  # seconds of training between two states,
    _SHARE = 0.05  # and at most this share of the time goes into them

    def __init__(self, training: Training, folder: Path) -> None:
        self.training, self.folder, self.saved, self.wait = training, folder, 0.0, self._LEAST
        whole = [place for place in (folder / "a", folder / "b") if (place / "whole").exists()]
        if whole:
            self._load(max(whole, key=lambda place: (place / "whole").stat().st_mtime_ns))
            self.saved = training.spent

    def _load(self, place: Path) -> None:
        try:
            self.training.load(place)
        except Exception as error:  # readers of several libraries stumble in very many ways
            raise CheckpointError(
                f"'{place}' is damaged or of another training ({type(error).__name__}); delete '{self.folder}' or "
                "choose another folder."
            ) from error

    def after(self, spent: float) -> None:
        """Save if it is time: into the older of two folders, marked as whole at the end."""
        if spent - self.saved < self.wait:
            return
        began = time.perf_counter()
        marks = {place: place / "whole" for place in (self.folder / "a", self.folder / "b")}
        place = min(marks, key=lambda found: marks[found].stat().st_mtime_ns if marks[found].exists() else 0)
        with told(self.folder, other="another folder, and go on from the older state there"):
            marks[place].unlink(missing_ok=True)
            self.training.save(place)
            marks[place].touch()
        self.saved, self.wait = spent, max(self._LEAST, (time.perf_counter() - began) / self._SHARE)
