"""Whole repositories of the model hub (ORGANISATION/NAME): config, weights and what lies beside them, in
huggingface_hub's cache.

Next door: `weights` follows downloads, `models.files` reads the folder that a repository is in the cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from huggingface_hub import HfApi, try_to_load_from_cache

from ...data import Download
from ...types import CheckpointError, is_file, size
from ..files import CONFIG, CONFIGS, among, model_type, weight_files
from .weights import Bring, followed

_KINDS = ("swin", "vit", "deit", "dino")  # in what transformers calls a model's type
_MOST_BYTES = 5 * 1024**3


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
    """The files of a repository that are needed to open it, the configs first: whoever may name a model may not fill
    the disk, nor read what only this machine's user may. Raises CheckpointError for a model of another kind, or one
    that is too large."""
    told = HfApi(token=False).model_info(name, files_metadata=True)
    listed = {file.rfilename: file.size or 0 for file in told.siblings or ()}
    for file in CONFIGS:
        if file in listed:
            bring(file)
    config = try_to_load_from_cache(name, CONFIG)
    kind = model_type(Path(config).parent) if isinstance(config, str) else ""
    if kind and not any(known in kind for known in _KINDS):
        raise CheckpointError(f"'{name[:120]}' is a '{kind[:40]}', and only Swin, DeiT and ViT are supported here.")
    weights = among(listed)
    if (most := sum(listed[file] for file in weights)) > _MOST_BYTES:
        raise CheckpointError(
            f"The weights of '{name[:120]}' are {size(most)}, and at most {size(_MOST_BYTES)} are fetched; download "
            "them and open the folder."
        )
    for file in weights:
        bring(file)
