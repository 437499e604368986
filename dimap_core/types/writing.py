"""Files and folders that are written whole or not at all: beside their place first, then moved there. No torch.

A full disk, a place that may not be written and a process that is stopped leave what was there before. A file's mode is
what the umask says, whoever wrote it (safetensors makes its files readable by their owner only).
Next door: `models.checkpoints`, `models.to_onnx`, `studies.sweep` and all others that leave files for people write
through here.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from safetensors import SafetensorError

from .errors import CheckpointError, PruningError

TEMPORARY = "another folder for temporary files by TMPDIR and start anew"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_CLOSED = (errno.EACCES, errno.EPERM, errno.EROFS)


@contextmanager
def whole_file(path: Path, kind: type[PruningError] = CheckpointError, other: str = "another file") -> Iterator[Path]:
    """Where to write the file that is to lie at `path`; what is written there (and whatever else lies beside it in the
    end) is moved when the block ends, and removed if it fails. What is no regular file takes it as it comes.

    Raises `kind`, in a sentence that tells to choose `other`, where that cannot be done.
    """
    with told(path, kind, other):
        target = path.resolve()
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if target.exists() and not target.is_file():
            yield target
            return
        with _beside(target.parent) as part:
            yield part / target.name
            _set_modes(part)
            for file in sorted(part.iterdir(), key=lambda file: file.name == target.name):  # the named one last
                file.replace(target.parent / file.name)


@contextmanager
def whole_folder(
    path: Path,
    kind: type[PruningError] = CheckpointError,
    other: str = "another directory",
    instead_of: Iterable[str] = (),
) -> Iterator[Path]:
    """Where to write what is to lie in the folder `path`; moved there when the block ends, removed if it fails.

    In a folder that is there, only what has the same names makes room, and what `instead_of` names: all of it comes
    back where the move fails. Raises as `whole_file` does.
    """
    with told(path, kind, other):
        target = path.resolve()
        there = target.is_dir()
        # Inside the folder: it may be on a disk of its own, in a place that may not be written.
        with _beside(target if there else target.parent) as part:
            yield part
            _set_modes(part)
            if there:
                _move_in(part, target, instead_of)
            else:
                part.rename(target)


def check_place(path: Path, kind: type[PruningError] = CheckpointError, other: str = "another place") -> None:
    """Raise `kind` now where `path`, a file or a folder, could not be written later; leaves nothing."""
    with told(path, kind, other):
        target = path.resolve()
        if target.exists() and not target.is_file() and not target.is_dir():
            return
        at = target.parent if target.is_file() else target
        while not at.exists():
            at = at.parent  # no folder is made: another process may be trying the same
        with _beside(at) as part:
            (part / "tried").write_bytes(b"0" * 4096)


@contextmanager
def told(path: Path | str, kind: type[PruningError] = CheckpointError, other: str = "another place") -> Iterator[None]:
    """Whatever keeps a block from writing `path` becomes one sentence, raised as `kind`."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise kind(sentence(path, error, other)) from error


def sentence(path: Path | str, error: Exception, other: str = "another place") -> str:
    """Why `path` cannot be written and what can be done."""
    number = getattr(error, "errno", None)
    full = number in _FULL or any(f"os error {known})" in str(error) for known in _FULL)  # what safetensors tells
    reason = "no space left" if full else getattr(error, "strerror", None) or type(error).__name__
    return f"'{path}' cannot be written ({reason}); {'make room there, or ' if full else ''}choose {other}."


def temporary(prefix: str) -> tempfile.TemporaryDirectory:
    """A new folder for temporary files; raises CheckpointError where there can be none."""
    with told(tempfile.tempdir or "A folder for temporary files", other=TEMPORARY):
        return tempfile.TemporaryDirectory(prefix=prefix)


def is_full(error: BaseException) -> bool:
    """Whether a disk that takes no more is behind an error."""
    return isinstance(error, OSError) and error.errno in _FULL


def is_of_disk(error: BaseException) -> bool:
    """Whether a full disk, or a place that may not be written, is behind an error of what was to be written there."""
    return is_full(error) or (isinstance(error, OSError) and error.errno in _CLOSED)


@contextmanager
def _beside(folder: Path) -> Iterator[Path]:
    """A new hidden folder inside `folder`, gone in the end; so are folders made for it that stay empty."""
    made = [at for at in (folder, *folder.parents) if not at.exists()]
    part = folder / f".{secrets.token_hex(8)}.part"
    try:
        part.mkdir(parents=True)
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)
        for at in made:
            with suppress(OSError):  # it is not empty
                at.rmdir()


def _set_modes(part: Path) -> None:
    """Give all files the mode that a new one gets."""
    new = part / ".new"
    new.touch()
    mode = new.stat().st_mode & 0o777
    new.unlink()
    for file in part.rglob("*"):
        if file.is_file() and not file.is_symlink():
            file.chmod(mode)


def _move_in(part: Path, target: Path, instead_of: Iterable[str]) -> None:
    """Move all that lies in `part` into `target`; what makes room for it comes back where that fails."""
    new = [found.name for found in part.iterdir()]
    old = part / ".old"
    old.mkdir()
    moved: list[tuple[Path, Path]] = []
    try:
        for name in {*new, *instead_of}:
            if os.path.lexists(target / name):
                moved.append((target / name, old / name))
                (target / name).rename(old / name)
        for name in new:
            moved.append((part / name, target / name))
            (part / name).rename(target / name)
    except BaseException:
        for source, place in reversed(moved):
            with suppress(OSError):
                place.rename(source)
        raise
