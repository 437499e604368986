"""The setting, which is the whole of what a link restores, and a tried point, which remembers one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from dimap_core.data import COUNT, is_drawn
from dimap_core.models import BUNDLED, BundledModel, bundled
from dimap_core.plan import to_recipe
from dimap_core.types import AccuracyEstimate, ModelName, Part, PruningPlan


@dataclass(frozen=True)
class Setting:
    """What is looked at: a model, how its weights come, the plan, and images to judge by.

    `model`: what its `ModelName` is read from, a bundled or timm name, or a file (see `own_models`).
    `data`: "" for the model's own set, "folder:PATH", "zip:PATH", "upload:TOKEN" or the name of a set; `count`, `draw`,
    `classes` and `split` are those of `data.ImageSource` (`draw` its seed).
    """

    model: str = BUNDLED[0].name
    weights: str = "pretrained"
    plan: PruningPlan = field(default_factory=lambda: PruningPlan(ratio=0.8))
    data: str = ""
    count: int = COUNT
    draw: int = 0
    classes: tuple[tuple[str, int], ...] = ()
    split: str = ""

    @property
    def name(self) -> ModelName:
        """The model's name in its parts, the disk unasked."""
        return ModelName.parse(self.model)

    @property
    def judged(self) -> tuple:
        """What accuracies depend on besides the plan: two settings with the same can be compared."""
        return self.model, self.weights, self.data, self.data and (self.count, self.draw, self.classes, self.split)

    @property
    def absent(self) -> BundledModel | None:
        """The bundled model whose images do not come with the project, where none were chosen: what was measured
        beforehand is all that is known of its answers."""
        spec = bundled(self.model)
        return spec if spec and spec.judged and not self.data and self.weights != "random" else None

    @property
    def drawn(self) -> bool:
        """Whether its images were drawn pixel by pixel, and are no photographs."""
        spec = bundled(self.model)
        return is_drawn(self.data or (spec.data if spec else None))

    def recipe(self) -> dict[str, Any]:
        """The plan as a recipe that names the model; of a file, what is said of how to read it."""
        brought = self.name.brought
        return to_recipe(self.plan, None if brought else self.model, self.name.architecture if brought else "")


@dataclass
class Tried:
    """One point of the history; `estimate` grows while images stream in, `preview`: with a quick refit so far;
    `passing`: a hand that still moves was there."""

    number: int
    setting: Setting
    total: Part
    estimate: AccuracyEstimate | None = None
    preview: bool = False
    passing: bool = False
