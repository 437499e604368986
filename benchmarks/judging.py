"""Which models a benchmark measures, and by which images each is judged.

The bundled models of digits have their own sets. Those of photographs come without images: `--photos FOLDER` names a
folder with train/ and val/, a sub-folder a class; without it they are left out, and what is stored of them stays.
Criteria, repair and training then read at most 10,000 images of train/, as everywhere; val/ judges, all of it or
`--judge N`.
Next door: `measured` keeps what is found.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from dimap_core import pipeline
from dimap_core.models import BUNDLED

from . import measured

PHOTOGRAPHS = tuple(spec.name for spec in BUNDLED if spec.judged)
"""The models that come without images."""


def of_photographs(model: str) -> bool:
    """Whether it is a bundled model that comes without images."""
    return model in PHOTOGRAPHS


@dataclass(frozen=True)
class Images:
    """What the command line says of images: the folder of photographs ("": none), and how many of its val/ judge
    (0: all)."""

    photos: str = ""
    judge: int = 0

    def open(self, model: str) -> pipeline.Opened:
        """A model, freshly opened, with the images that judge it. Raises DataError where the folder holds none."""
        opened = pipeline.open_model(model)
        if not of_photographs(model):
            return opened
        return pipeline.judged_by_name(opened, f"folder:{self.photos}", self.judge or None)[0]

    def told(self, model: str) -> str:
        """What photographs judge a model, for `measured.store`; "" where its own set does."""
        if not of_photographs(model):
            return ""
        return f"{len(pipeline.default_data(self.open(model))):,} photographs of val/"


def command_line(doc: str | None, models: Sequence[str]) -> argparse.ArgumentParser:
    """A command line that names models, by default `models`, and photographs."""
    parser = measured.command_line(doc, models)
    parser.add_argument("--photos", default="", metavar="FOLDER", help="judges the models of photographs: train/, val/")
    parser.add_argument("--judge", type=int, default=0, metavar="N", help="judge by N photographs of val/, not by all")
    return parser


def asked(given: argparse.Namespace) -> tuple[list[str], Images]:
    """The models to measure, and their images; says which are left out, and what would take them in."""
    names = [name for name in given.models if given.photos or not of_photographs(name)]
    if left := [name for name in given.models if name not in names]:
        print(f"Left out: {', '.join(left)}; --photos FOLDER (with train/ and val/) measures them.", file=sys.stderr)
    return names, Images(given.photos, given.judge)


def run(doc: str | None, file: Path, measure: Callable[[str, Images], Iterable[dict[str, Any]]]) -> list[str]:
    """Measure the models that the command line names, unless it says --tables; what is known of one goes to `file` as
    often as `measure` yields it. Returns the names."""
    parser = command_line(doc, [spec.name for spec in BUNDLED])
    parser.add_argument("--tables", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.tables:
        return given.models
    names, images = asked(given)
    for name in names:
        photos = images.told(name)
        for found in measure(name, images):
            measured.keep(file, found)
            measured.store(file.stem, model=name, photos=photos)
    return names
