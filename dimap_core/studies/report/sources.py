"""From what is named on the command line to a story: story files, and directories that `prune` wrote.

Next door: `gathering` judges what is read here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...models import checkpoints
from ...plan import from_recipe
from ...types import CheckpointError, ModelName, StoryError, is_file
from ..story import CUTS, NAME, NamedCut, Story, from_file
from .contents import Card

_COUNTED = ("params_before", "macs_before", "params_after", "macs_after")


def sources(paths: Sequence[Path]) -> tuple[Story, list[Card | None]]:
    """One story of all cuts that the files and directories hold, in their order, and what each directory's card says.

    Raises StoryError or CheckpointError for what is neither, and for more than nine cuts.
    """
    cuts: list[NamedCut] = []
    cards: list[Card | None] = []
    title = ""
    for path in paths:
        if path.is_dir():
            cut, card = _directory(path)
            cuts, cards = [*cuts, cut], [*cards, card]
        else:
            story = _story(path)
            title, cuts = title or story.title, [*cuts, *story.cuts]
            cards += [None] * len(story.cuts)
    if len(cuts) > CUTS:
        raise StoryError(f"A report has at most {CUTS} cuts, not {len(cuts)}; name fewer.")
    return Story(tuple(cuts), title), cards


def _story(path: Path) -> Story:
    try:
        return from_file(path.read_bytes())
    except OSError as error:
        raise StoryError(
            f"'{path}' cannot be read ({type(error).__name__}); name a story's file, or a directory that 'prune --out' "
            "wrote."
        ) from error


def _directory(path: Path) -> tuple[NamedCut, Card]:
    """The cut whose result lies in a directory, called as that is, and what its card says."""
    card = checkpoints.read_card(path)
    if "recovered" in card:
        raise CheckpointError(
            f"'{path}' was trained after it was cut, and no recipe tells that; name the directory that 'prune --out' "
            "wrote."
        )
    result = card.get("result")
    try:
        recipe = {key: value for key, value in dict(result["plan"]).items() if key != "model"}  # type: ignore[index]
        params, macs, left, macs_left = (int(result[key]) for key in _COUNTED)  # type: ignore[index]
    except (TypeError, KeyError, ValueError) as error:
        raise CheckpointError(
            f"'{path}' does not say how it was cut; name a directory that 'prune --out' wrote."
        ) from error
    weights = "random" if card["weights"] == "random" else "pretrained"
    plan = from_recipe(recipe)
    if weights == "random" and isinstance(card.get("seed"), int):
        plan = replace(plan, seed=card["seed"])
    fingerprint = checkpoints.dense_file(card).get("fingerprint", "")
    name = (path.resolve().name or "cut")[:NAME]
    return NamedCut(name, _model(path, card), plan, weights=weights), Card(
        (params, macs), (left, macs_left), fingerprint
    )


def _model(path: Path, card: dict[str, Any]) -> str:
    """What opens the dense model again; raises CheckpointError where it is gone."""
    told = checkpoints.dense_file(card)
    if not told:
        return str(card["model"])
    if not is_file(told["file"]):
        raise CheckpointError(
            f"The model that '{path}' was cut from ({Path(told['file']).name or 'a file'}) is not where it was; put it "
            "back, or write a story's file that names it."
        )
    return str(ModelName("file", told["file"], str(card["model"])))
