"""Uploads: each session's own, bounded, gone when asked."""

import io

import pytest

from dimap_core.service import uploads
from dimap_core.service.uploads import Uploads
from dimap_core.types.errors import DataError


@pytest.fixture
def kept():
    store = Uploads()
    yield store
    store.close()


def test_a_file_is_kept_for_its_session_only(kept):
    upload = kept.add("a", "../../etc/passwd", io.BytesIO(b"weights"), ".safetensors")
    assert upload.path.read_bytes() == b"weights" and upload.bytes == 7
    assert upload.path.name == "file.safetensors" and "etc" not in upload.path.parts
    assert kept.find("a", f"upload:{upload.token}") == upload
    with pytest.raises(DataError, match="upload it again"):
        kept.find("b", upload.token)


def test_the_oldest_make_room_and_what_is_too_large_leaves_nothing(kept, monkeypatch):
    monkeypatch.setattr(uploads, "MOST_BYTES", 10)
    first = kept.add("a", "1", io.BytesIO(b"x" * 6), ".bin")
    second = kept.add("a", "2", io.BytesIO(b"x" * 6), ".bin")
    assert kept.of("a") == (second,) and not first.path.parent.exists()
    folder = second.path.parent.parent
    with pytest.raises(DataError, match="larger than"):
        kept.add("a", "3", io.BytesIO(b"x" * 11), ".bin")
    assert list(folder.iterdir()) == [second.path.parent] and kept.of("a") == (second,)


def test_releasing_a_session_deletes_its_files_and_no_others(kept):
    mine, other = kept.add("a", "1", io.BytesIO(b"x"), ".bin"), kept.add("b", "2", io.BytesIO(b"y"), ".bin")
    kept.release("a")
    assert not mine.path.parent.parent.exists() and kept.of("a") == () and other.path.exists()
