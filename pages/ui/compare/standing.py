"""What is found of both cuts, and what can be said of them. Next door: `choosing` says which, `panel` draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dimap_core.figures import PairedRow, findings
from dimap_core.studies import story as core
from dimap_core.types import Difference, is_agreement

from ..session import own_models
from ..story import telling
from .choosing import Side


@dataclass(frozen=True)
class Standing:
    """A side with what is found of it so far; `doing`: what goes on meanwhile, `error`: why nothing will be."""

    side: Side
    ground: core.Ground | None = None
    told: core.Told | None = None
    doing: str = ""
    error: str = ""


def of(sides: Sequence[Side]) -> tuple[Standing, Standing]:
    """What is found of both; the dense model is that of the other side's."""
    asked = [side for side in sides if side.kept is not None]
    found = dict(zip(asked, telling.ask([side.kept for side in asked if side.kept]), strict=True))
    known = next(iter(found.values()))
    first, second = (
        Standing(side, one.ground, one.told, one.doing, one.error)
        if (one := found.get(side))
        else Standing(side, known.ground, known.ground and core.uncut(known.ground), known.doing, known.error)
        for side in sides
    )
    return first, second


def running(pair: Sequence[Standing]) -> bool:
    """Whether more will come."""
    return any(one.told is None and not one.error for one in pair)


def difference(first: Standing, second: Standing, cue: str = "joint") -> Difference | None:
    """Accuracy of the second minus that of the first over the same images; None where there is none."""
    if unpaired(first, second) or not (second.ground and first.told and second.told):
        return None
    return core.paired(second.ground, second.told, first.told, cue)


def unpaired(first: Standing, second: Standing) -> str:
    """Why there is no paired difference, as the end of a sentence; "" where there is one."""
    for one in (first, second):
        if one.told is not None and one.told.estimate is None:
            return f"accuracy is not compared, as {one.side.called} has no images or random weights"
    if first.ground and second.ground and not core.same_images(first.ground, second.ground):
        return "accuracy is not compared, as they were judged by different images"
    return ""


def verdict(first: Standing, second: Standing) -> str:
    """The page's sentence."""
    if first.told is None or second.told is None:
        what = f"{first.side.called} and {second.side.called}"
        failed = first.error or second.error
        return f"{what[:1].upper()}{what[1:]} cannot be compared" if failed else f"Comparing {what} …"
    totals = (findings.Named(one.side.called, one.told.total) for one in (first, second) if one.told)
    return findings.pair(*totals, difference(first, second), unpaired(first, second))


def rows(first: Standing, second: Standing) -> list[PairedRow]:
    """Paired differences, the two against each other first, by cue too, then each against the dense model."""
    found = []
    if (top1 := difference(first, second)) is not None and second.ground:
        between = f"{second.side.called} − {first.side.called}"
        what = "same answer" if is_agreement(second.ground.images) else "top-1"
        found.append(PairedRow(f"{between}, {what}", top1))
        for cue in second.ground.cues:
            if (own := difference(first, second, cue)) is not None:
                found.append(PairedRow(f"{between}, {cue}", own))
    cuts = [one for one in (first, second) if one.side.kept is not None]
    if len(cuts) == 2 or not found:
        found += [
            PairedRow(
                f"{one.side.called} − {'its ' if _models(first, second) > 1 else ''}dense",
                core.paired(one.ground, one.told),
            )
            for one in cuts
            if one.ground and one.told and one.told.estimate
        ]
    return found


def _models(first: Standing, second: Standing) -> int:
    return len({one.ground.fingerprint for one in (first, second) if one.ground})


def models(first: Standing, second: Standing) -> dict[Side, str]:
    """Of which model each side is; the dense one is the other's."""
    found = {one.side: own_models.shown(one.side.kept.cut.model) for one in (first, second) if one.side.kept}
    return {one.side: found.get(one.side, next(iter(found.values()))) for one in (first, second)}


def facts(first: Standing, second: Standing) -> str:
    """Of which models both are, and by what they are judged."""
    if not first.ground or not second.ground:
        return ""
    names = " and ".join(dict.fromkeys(models(first, second).values()))
    if unpaired(first, second):
        return names
    return f"{names}, the same {len(second.ground.numbers):,} images for both"
