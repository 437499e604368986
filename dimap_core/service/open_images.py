"""A model judged by images that someone chose: a folder, a zip, a known set, instead of the set it was trained on.

`judged_by` makes a copy of an open model that is; everything else in `pipeline` then works as it does for a bundled
model. `OpenImages` keeps such copies for the worker.
Next door: `data.from_source` finds the images, `data.sources` says which are meant, `index` leaves them on disk for the
app.
"""

from __future__ import annotations

import json
import shutil
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .. import pipeline
from ..criteria import images_read
from ..data import Decoded, from_request
from ..pipeline import Opened, judged_by
from ..types import LabelledImages, PruningPlan, drain
from . import index

_KEPT = 8  # (model, source) pairs known to the worker; their pixels have a limit of their own
_FOLDERS = 4  # of them on disk
_FIRST = 64  # images decoded before anything is judged, so that someone sees how far they are
_STEP = 16
_ON = "-on-"
_LAZY = "chosen"  # marks data folders of chosen images


@dataclass
class OpenImages:
    """The worker's copies of models judged by chosen images, by (weights' hash, source); those used last are kept."""

    kept: OrderedDict[tuple[str, str], Opened] = field(default_factory=OrderedDict)

    def refresh(self, opened: Opened, request: Mapping[str, Any]) -> Iterator[str]:
        """List the images anew; yields what is done. A copy whose images did not change stays."""
        key = _key(opened, request)
        for (doing, _, _), found in judged_by(opened, from_request(request)):
            yield doing
            if found is not None and (key not in self.kept or self.kept[key].read != found.read):
                self.kept[key] = found
        self.kept.move_to_end(key)
        while len(self.kept) > _KEPT:
            self.kept.popitem(last=False)

    def on(self, opened: Opened, request: Mapping[str, Any]) -> Opened:
        """The copy for a source, made now where it is not known."""
        key = _key(opened, request)
        if key not in self.kept:
            drain(self.refresh(opened, request))
        self.kept.move_to_end(key)
        return self.kept[key]

    def end(self, folder: Path, session: str) -> None:
        """Let go of what a session uploaded, and delete what was made of it in the worker's folder."""
        for key in [key for key in self.kept if f"/{session}/" in key[1]]:
            gone = self.kept.pop(key)
            shutil.rmtree(folder_of(folder, gone), ignore_errors=True)
            shutil.rmtree(folder / "data" / gone.read, ignore_errors=True)

    def forget(self, fingerprint: str) -> None:
        """Let go of a model's copies."""
        for key in [key for key in self.kept if key[0] == fingerprint]:
            del self.kept[key]


def _key(opened: Opened, request: Mapping[str, Any]) -> tuple[str, str]:
    return opened.info.fingerprint, json.dumps(request, sort_keys=True)


def first_decoded(opened: Opened) -> Iterator[str]:
    """Decode what is judged first; yields how far it is."""
    images = None if opened.chosen is None or opened.chosen.judged is None else opened.chosen.judged.images
    if isinstance(images, Decoded):
        for done in images.steps(images.missing(range(min(_FIRST, len(images)))), _STEP):
            yield f"Decoding images, {done} of {len(images):,}"


def folder_of(root: Path, opened: Opened) -> Path:
    """Where the app finds a model's index; each set of chosen images has an own one, since criteria may read them."""
    fingerprint = opened.info.fingerprint
    return root / (fingerprint if opened.chosen is None else f"{fingerprint}{_ON}{opened.chosen.name}")


def write_model(root: Path, opened: Opened) -> Path:
    """Leave a model's parts on disk for the app."""
    folder = root / opened.info.fingerprint
    if not (folder / "anatomy.json").exists():
        index.write_model(folder, opened.info, opened.anatomy, pipeline.weight_arrays(opened))
    return folder


def write_chosen(root: Path, opened: Opened) -> Path:
    """The same for a copy judged by chosen images, beside the model's own and linked to it; older copies make room."""
    folder = folder_of(root, opened)
    if opened.chosen is not None and not (folder / index.FACTS).exists():
        index.link_model(root / opened.info.fingerprint, folder, opened.info, opened.chosen.facts.as_json())
        beside = sorted(root.glob(f"*{_ON}*"), key=lambda path: path.stat().st_mtime_ns)
        for older in beside[:-_FOLDERS]:
            shutil.rmtree(older, ignore_errors=True)
    return folder


def write_scores(root: Path, opened: Opened, plan: PruningPlan) -> None:
    """Leave scores on disk for the app; those that read no images are written once a model, and linked."""
    folder, own = folder_of(root, opened), root / opened.info.fingerprint
    target = folder if images_read(plan.criterion, plan.images) else own
    what = plan.criterion, plan.seed, plan.scored, plan.images
    if not index.has_scores(target, *what):
        index.write_scores(target, pipeline.score(opened, plan), plan.images)
        on_disk = index.read_scores(target, opened.anatomy, *what)
        opened.scores[pipeline.scores_key(opened, plan)] = on_disk  # sorted weights take as much memory as the weights
    if target != folder:
        index.link_scores(own, folder, *what)


def write_data(root: Path, data: LabelledImages) -> Path:
    """Where the app finds a data set's images, as far as `write_pictures` added them; older chosen sets make room."""
    folder = root / "data" / data.name
    index.write_data(folder, data)
    lazy = sorted(folder.parent.glob(f"*/{_LAZY}"), key=lambda path: path.stat().st_mtime_ns)
    if isinstance(data.images, Decoded):
        (folder / _LAZY).touch()
        for older in [path.parent for path in lazy if path.parent != folder][: -(_FOLDERS - 1)]:
            shutil.rmtree(older, ignore_errors=True)
    return folder


def write_pictures(root: Path, data: LabelledImages, numbers: np.ndarray) -> None:
    """Add images by number to what `write_data` began, in a data set that is decoded as it is read."""
    if isinstance(data.images, Decoded):
        index.write_images(root / "data" / data.name, data, numbers)
