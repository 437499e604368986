"""The command that makes a cut again, with every setting in it.

Next door: `plan.recipe` says the same as JSON, which goes where no option does.
"""

from __future__ import annotations

import shlex
from typing import Any

from ...plan import to_recipe
from .contents import Reported

RECIPE = "recipe.json"
_OPTIONS = {"stages": "stage-ratio", "kinds": "kind-ratio"}
_SAID_APART = ("version", "model")


def command(one: Reported) -> str:
    """As a shell takes it; a recipe that options cannot say is named as the file `RECIPE`."""
    cut = one.cut
    words = ["python", "-m", "dimap_core", "prune", cut.model]
    words += _options(to_recipe(cut.plan)) or ["--recipe", RECIPE]
    words += ["--weights", cut.weights] if cut.weights == "random" else []
    if one.basis.judged:
        words += ["--data", cut.data or str(one.basis.ground.images)]
        words += ["--limit", str(cut.count)] if cut.data else []
        words += ["--split", cut.split] if cut.data and cut.split else []
    return shlex.join([*words, "--out", f"cut-{one.letter}"])


def needs_recipe(one: Reported) -> bool:
    """Whether the command reads a file with the recipe."""
    return not _options(to_recipe(one.cut.plan))


def is_exact(one: Reported) -> bool:
    """Whether the command judges by the very same images: those drawn by another seed, or with classes set by hand,
    only the story's file tells."""
    return not (one.cut.data and (one.cut.draw or one.cut.classes))


def _options(recipe: dict[str, Any]) -> list[str]:
    """The recipe as options of `prune`; none where it says what no option does."""
    words: list[str] = []
    for key, value in recipe.items():
        if key in _SAID_APART:
            continue
        if key == "protected":
            return []
        if key == "budget":
            ((kind, share),) = value.items()
            words += [f"--budget-{kind}", f"{share!r}"]
        elif key in _OPTIONS:
            words += [word for cell, ratio in value.items() for word in (f"--{_OPTIONS[key]}", f"{cell}={ratio!r}")]
        elif value is True:
            words.append(f"--{key.replace('_', '-')}")
        else:
            words += [f"--{key.replace('_', '-')}", str(value)]
    return words
