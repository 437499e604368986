"""Whole repositories of the model hub (ORGANISATION/NAME): config, weights and what lies beside them, in
huggingface_hub's cache.

Next door: `weights` follows downloads, `models.files` reads the folder that a repository is in the cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from huggingface_hub import HfApi, try_to_load_from_cache

from ...types import CheckpointError, is_file
from ..files import CONFIG, CONFIGS, among, weight_files
from .weights import Bring, Download, followed


def fetch_repository(name: str) -> Iterator[Download]:
    """Bring a repository's weights and what lies beside them into the cache, as `weights.fetch` does.

    Raises:
        CheckpointError: it holds no weights in a form that is known here.
        Offline: they are neither cached nor reachable.
    """
    if folder_of(name) is None:
        yield from followed(name, name, lambda bring: _whole(name, bring))
        if folder_of(name) is None:
            raise CheckpointError(
                f"'{name[:120]}' holds no config.json with weights beside it (model.safetensors, pytorch_model.bin); "
                "download its checkpoint file and open that."
            )


def folder_of(name: str) -> Path | None:
    """Where the cache holds a repository, None where it does not, or not all that is needed."""
    config = try_to_load_from_cache(name, CONFIG)
    folder = Path(config).parent if isinstance(config, str) else None
    try:
        return folder if folder and all(is_file(str(part)) for part in weight_files(folder)) else None
    except CheckpointError:
        return None


def _whole(name: str, bring: Bring) -> None:
    """The files of a repository that are needed to open it, the smallest first."""
    listed = [file.rfilename for file in HfApi().model_info(name).siblings or ()]
    for file in [file for file in CONFIGS if file in listed] + among(listed):
        bring(file)
