"""Pretrained weights of timm's names: fetched once in the background, then read from huggingface_hub's cache.

A download goes on when nobody waits for it any more, and whoever asks again meets it where it is; a connection that
broke is taken up where it broke, and so is what a killed process had begun. Once a file is cached the network is not
asked again.
Next door: `repositories` fetches in the same way, `named_models` builds models with what is fetched here,
`data.download` fetches one file.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import timm
from huggingface_hub import (
    HfFileMetadata,
    constants,
    get_hf_file_metadata,
    hf_hub_download,
    hf_hub_url,
    try_to_load_from_cache,
)
from huggingface_hub.file_download import repo_folder_name
from huggingface_hub.utils import EntryNotFoundError, RepositoryNotFoundError, build_hf_headers, get_session
from torch import nn
from tqdm import tqdm

from ...data import Download, download
from ...types import CheckpointError, ModelName, Offline, PruningError, UnsupportedModel, drain, is_of_disk, sentence

_LOOK = 0.02  # seconds between two looks at a download; a worker has other sessions to serve
_AT_ONCE = threading.Semaphore(2)  # downloads
_SHA256 = 64  # digits
_SAFE = {
    "pytorch_model.bin": "model.safetensors",
    "open_clip_pytorch_model.bin": "open_clip_model.safetensors",
}


_downloads: dict[tuple[str, str], Download] = {}


def fetch(name: str) -> Iterator[Download]:
    """Bring a timm model's pretrained weights into the cache; yields the download every 20 ms while it runs.

    Raises:
        UnsupportedModel: there are none.
        Offline: they are neither cached nor reachable.
    """
    config = timm.get_pretrained_cfg(name)
    if not (config and config.has_weights):
        raise UnsupportedModel(f"timm has no pretrained weights for '{name}'; use random ones for counts only.")
    if config.hf_hub_id and not _cached(config):
        yield from followed(name, config.hf_hub_id, lambda bring: _first(_files(config), bring))


Bring = Callable[[str], object]
"""Brings a file of the repository by its name."""


def _first(files: Iterable[str], bring: Bring) -> None:
    """The first of some files that is there."""
    for file in files:
        try:
            bring(file)
        except EntryNotFoundError:
            continue
        return


def followed(name: str, repo: str, work: Callable[[Bring], None]) -> Iterator[Download]:
    """The repository's download, begun where nobody has begun it."""
    key = (constants.HF_HUB_CACHE, repo)
    download = _downloads.get(key)
    if download is None:
        download = _downloads[key] = Download("Downloading pretrained weights")
        threading.Thread(target=_run, args=(repo, work, download), daemon=True).start()
    while not download.ended.wait(_LOOK):
        yield download
    _downloads.pop(key, None)
    if download.error is not None:
        raise _failed(name, download.error) from download.error


def pretrained(name: str) -> nn.Module:
    """timm's pretrained model, built by timm from the cached file; fetched first where it is not there.

    Raises what `fetch` does.
    """
    drain(fetch(name))
    cached = _cached(timm.get_pretrained_cfg(name))
    try:
        return timm.create_model(name, pretrained=True, pretrained_cfg_overlay={"file": cached} if cached else None)
    except Exception as error:  # a few weights lie elsewhere, and timm's clients raise their libraries' errors
        if cached:
            raise CheckpointError(
                f"The cached weights of '{name}' are damaged ({type(error).__name__}); delete {cached} and try again."
            ) from error
        raise _failed(name, error) from error


def _failed(name: str, error: Exception) -> PruningError:
    """Why weights did not come: they are not to be fetched, the disk did not take them, or they were not reached."""
    if isinstance(error, PruningError):
        return error
    if is_of_disk(error):
        return CheckpointError(sentence(constants.HF_HUB_CACHE, error, "another folder by HF_HOME"))
    if isinstance(error, RepositoryNotFoundError):
        return CheckpointError(f"The model hub has no public '{name[:120]}'; check its name, or download its file.")
    if ModelName.parse(name).repository:
        return Offline(
            f"'{name[:120]}' is neither here nor in the model hub's cache, and no hub was reached; check its name, "
            "connect to the internet once, or open a checkpoint file."
        )
    return Offline(
        f"Pretrained weights of '{name}' are not cached and no model hub was reached; connect to the internet "
        "once, open a checkpoint file, or use random weights for counts only."
    )


def _files(config: Any) -> list[str]:
    """Names that the weights may have on the hub, in the order in which timm looks for them."""
    named = config.hf_hub_filename or "pytorch_model.bin"
    return [*([_SAFE[named]] if named in _SAFE else []), named]


def _cached(config: Any) -> str | None:
    """The weights' place in the cache."""
    for file in _files(config) if config.hf_hub_id else ():
        found = try_to_load_from_cache(config.hf_hub_id, file)
        if isinstance(found, str):
            return found
    return None


def _run(repo: str, work: Callable[[Bring], None], download: Download) -> None:
    """In a thread of its own, since the hub's client blocks."""
    bar = download.bar()
    try:
        with _AT_ONCE:
            _check_reachable()
            work(lambda file: _bring(repo, file, bar))
    except Exception as error:  # the client raises its HTTP library's errors, whichever that is
        download.error = error
    finally:
        download.ended.set()


def _bring(repo: str, file: str, bar: type[tqdm]) -> None:
    """One file into the cache. The hub's client would begin again after its process was killed, so its content is
    brought to where the client keeps it, under the hash that the hub tells; then the client has only to link it."""
    url = hf_hub_url(repo, file)
    told = get_hf_file_metadata(url)
    blobs = Path(constants.HF_HUB_CACHE, repo_folder_name(repo_id=repo, repo_type="model"), "blobs")
    if told.etag is not None:
        blobs.mkdir(parents=True, exist_ok=True)
        headers = {**build_hf_headers(), "Accept-Encoding": "identity"}
        download(
            url, blobs / told.etag, lambda path: _is_told(path, told),
            headers=headers, expected_size=told.size, tqdm_class=bar,
        )  # fmt: skip
    hf_hub_download(repo, file, tqdm_class=bar)


def _is_told(path: Path, told: HfFileMetadata) -> bool:
    """Whether a file is the one that the hub told of; the hash of a large one is its SHA-256."""
    if len(told.etag or "") != _SHA256:
        return told.size in (None, path.stat().st_size)
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest() == told.etag


def _check_reachable() -> None:
    """Ask once: without a network the hub's client retries for most of a minute."""
    if not constants.HF_HUB_OFFLINE:
        get_session().head(constants.ENDPOINT, timeout=5)
