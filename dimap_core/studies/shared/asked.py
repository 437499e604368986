"""What a study is asked for: grids of plans on some models, by a TOML or JSON file, or by options. No torch.

Next door: `ledger` keeps it, `same` adds what it was begun with.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError

from ...plan import from_recipe, to_recipe, validate
from ...types import ASSETS, DataError, PruningPlan
from ..grid import plans as grid_plans

MOST = 20_000  # trials
HEARTBEAT = 15  # seconds


class Grid(BaseModel, extra="forbid"):
    """Every combination of what is listed. `ratios`, or `budgets` of "macs" or "params", are shares 0..1 to remove."""

    criteria: list[str] = ["dimap", "magnitude"]
    scopes: list[str] = ["layer", "module", "model"]
    ratios: list[float] = []
    budgets: dict[Literal["macs", "params"], list[float]] = {}
    cost_exponents: list[float] = [0.0]
    granularity: str = "weight"
    repair: list[bool] = [False]
    seeds: list[int] = [0]
    images: int = 256

    def plans(self) -> list[PruningPlan]:
        """In the order of `grid.plans`, repair and seeds outermost; raises InvalidPlan for one that is malformed."""
        made = []
        for repair, seed in product(self.repair, self.seeds):
            fields: dict[str, Any] = {
                "granularity": self.granularity,
                "repair": repair,
                "seed": seed,
                "images": self.images,
            }
            places = self.criteria, self.scopes
            made += grid_plans(*places, self.ratios, self.cost_exponents, **fields)
            for kind, shares in self.budgets.items():
                found = grid_plans(*places, shares, self.cost_exponents, **fields)
                made += [replace(plan, ratio=None, budget=plan.ratio, budget_kind=kind) for plan in found]
        return [validate(plan) for plan in made]


class ImageNet(BaseModel, extra="forbid"):
    """What takes the place of a file's models where ImageNet's validation images are there."""

    models: list[str]


class StudyFile(BaseModel, extra="forbid"):
    """A study as a file says it; `heartbeat`: seconds between two signs of life of a worker."""

    title: str = ""
    models: list[str] = Field(min_length=1)
    grids: list[Grid] = Field(min_length=1)
    data: str | None = None
    split: str = ""
    limit: int | None = Field(None, ge=1)
    heartbeat: int = Field(HEARTBEAT, ge=1, le=3600)
    imagenet: ImageNet | None = None

    def on_imagenet(self, folder: Path) -> StudyFile:
        """The same on ImageNet's validation images, a sub-folder a class; raises DataError where that cannot be."""
        if self.imagenet is None:
            raise DataError("This study names no models for ImageNet; leave --imagenet out, or list [imagenet] models.")
        if not folder.is_dir():
            raise DataError(f"'{folder}' is not a folder; give the one that holds a sub-folder for each class.")
        return self.model_copy(update={"models": self.imagenet.models, "data": f"folder:{folder}"})


@dataclass(frozen=True)
class Asked:
    """What every worker of a study reads: `points` are models x plans, models outermost, each a trial of its own.

    `classes`: (folder, output) of chosen images, where they were matched by hand.
    """

    models: tuple[str, ...]
    plans: tuple[PruningPlan, ...]
    data: str | None = None
    split: str = ""
    limit: int | None = None
    heartbeat: int = HEARTBEAT
    classes: tuple[tuple[str, int], ...] = ()

    @property
    def points(self) -> list[tuple[str, PruningPlan]]:
        """(model, plan) of every trial."""
        return list(product(self.models, self.plans))

    @classmethod
    def by(cls, file: StudyFile) -> Asked:
        """What a file asks for, nothing twice; raises InvalidPlan or DataError where it cannot be run."""
        plans = tuple(dict.fromkeys(plan for grid in file.grids for plan in grid.plans()))
        asked = cls(tuple(dict.fromkeys(file.models)), plans, file.data, file.split, file.limit, file.heartbeat)
        if not plans:
            raise DataError("A study without ratios or budgets has nothing to do; list some.")
        if len(asked.points) > MOST:
            raise DataError(f"This study has {len(asked.points):,} trials, more than {MOST:,}; begin several.")
        return asked

    def told(self) -> dict[str, Any]:
        """As it is kept, JSON-ready."""
        return {
            "models": [*self.models], "plans": json.loads(json.dumps([to_recipe(plan) for plan in self.plans])),
            "data": self.data, "split": self.split, "limit": self.limit, "heartbeat": self.heartbeat,
            "classes": [[*pair] for pair in self.classes],
        }  # fmt: skip

    @classmethod
    def kept(cls, told: Mapping[str, Any]) -> Asked:
        """What `told` made."""
        plans = tuple(from_recipe(recipe) for recipe in told["plans"])
        classes = tuple((folder, output) for folder, output in told["classes"])
        return cls(**{**told, "models": tuple(told["models"]), "plans": plans, "classes": classes})


def read(name: str, file: Path | None = None, **said: Any) -> StudyFile | None:
    """The study of a TOML or JSON file, or the one of that name that comes with the project, where no file is given;
    None where there is none. `said`: what is known better. Raises DataError for a file that says no study."""
    path = file or ASSETS / "studies" / f"{name}.toml"
    if file is None and not path.is_file():
        return None
    try:
        text = path.read_text(encoding="utf-8")
        found = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise DataError(f"The study '{path}' cannot be read ({error}); give a TOML or JSON file.") from error
    return checked({**found, **said} if isinstance(found, dict) else found)


def checked(found: Any) -> StudyFile:
    """What a file or the options say, as a study; raises DataError for what is none, with the first reason."""
    try:
        return StudyFile.model_validate(found)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "all of it"
        raise DataError(f"This is no study: {place}: {first['msg']}; see assets/studies for one that is.") from error
