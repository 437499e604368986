"""What is said of an image's way: where the two models part, and where the answer got lost. Of one image, no more."""

from __future__ import annotations

from typing import Any

from dimap_core.types import Way, WayStep, answer

from ..look import formats

_FATES = ((0.9, "stays"), (0.6, "mostly stays"), (0.0, "fades"))
_LOST = 0.5  # of its share: below, the answer counts as lost
_AT_ONCE = 0.6  # of what is lost, in one block


def headline(way: Way) -> str:
    """The finding in one line."""
    stage, _, apart = way.parting
    if apart == 0:
        return "The cut changes nothing on this image’s way."
    place = f"in {way.stage_word} {stage + 1}"
    if answer(way.dense) == answer(way.pruned):
        said = formats.plain(way.classes[answer(way.dense)])
        return f"Both models say {said}; they part most {place}."
    return f"The two models part {place}: {_fates(way)}."


def _fates(way: Way) -> str:
    return ", ".join(_fate(way, by) for by in way.by)


def _fate(way: Way, by: str) -> str:
    """What becomes of the dense model's answer, or of its value of a cue."""
    before, after = (way.value(answer(shares), by) for shares in (way.dense, way.pruned))
    what = f"the {by}" if way.cues else formats.plain(before)
    if before != after:
        return f"{what} turns into {formats.plain(after)}"
    kept = way.share(way.pruned, by) / max(way.share(way.dense, by), 1e-12)
    return f"{what} {next(fate for least, fate in _FATES if kept >= least)}"


def details(way: Way) -> str:
    """Whose image, and where what the answer needs got lost."""
    which = "Your image" if way.image is None else f"Image {way.image + 1:,} of {way.images:,}"
    label = "" if way.label is None else f", labelled **{formats.plain(way.classes[way.label])}**"
    right = ["Both models get it right."] if answer(way.dense) == way.label == answer(way.pruned) else []
    return " ".join([f"{which}{label}.", *right, *(_lost(way, by) for by in _gone(way))])


def none_fits(sort: str, event: dict[str, Any]) -> list[str]:
    """Where an image of a sort was looked for in vain: that, and what is shown instead."""
    if event.get("fits", True):
        return []
    return [
        f"None of {event['looked_at']:,} images is “{sort}” at this cut; here is the one whose right answer lost most."
    ]


def parting_title(way: Way) -> str:
    """Of the curve of differences: what the stage does in which the two part."""
    stage, before, after = way.parting
    if after == 0:
        return "The two never part"
    word = way.stage_word.capitalize()
    told = f"{word} {stage + 1} takes the difference from {_percent(before)} to {_percent(after)}"
    return told.replace(" %", "\u00a0%")


def handing_title(way: Way) -> str:
    """Of the curve of what is left: where which part of the answer gets lost."""
    lost = _gone(way)
    if not lost:
        return "; ".join(_behind(way)).replace(" %", "\u00a0%") or "The answer gets through"
    places = [(by, way.loss(by)[0]) for by in lost]
    told = [f"the {by} in {_place(way, step)}" if way.cues else f"in {_place(way, step)}" for by, step in places]
    if not way.cues:
        return f"The answer gets lost {told[0]}"
    one = len({(step.stage, step.block) for _, step in places}) == 1
    told = [f"{' and '.join(f'the {by}' for by in lost)} in {_place(way, places[0][1])}"] if one else told
    return f"Lost: {', '.join(told)}"


def _behind(way: Way) -> list[str]:
    """Of which cues, or of the class, the pruned model puts another one first, though half or more of it is left."""
    told = []
    for by in way.by:
        first, before, after = way.value(answer(way.pruned), by), way.share(way.dense, by), way.share(way.pruned, by)
        if first != way.name(by):
            what = f"The {by} {way.name(by)}" if way.cues else way.name(by)
            told.append(f"{what} goes from {_percent(before)} to {_percent(after)}, behind {first}")
    return told


def _place(way: Way, step: WayStep) -> str:
    return f"{way.stage_word} {step.stage + 1}, block {step.block + 1}"


def _gone(way: Way) -> list[str]:
    """Of which cues, or of the class, less than half is left."""
    return [by for by in way.by if way.share(way.pruned, by) < _LOST * way.share(way.dense, by)]


def _lost(way: Way, by: str) -> str:
    """At which block it went; or that it went little by little, and at which one most."""
    step, before, after = way.loss(by)
    what = f"The {by}" if way.cues else "The answer"
    place = f"**{_place(way, step)}**"
    at_once = before - after >= _AT_ONCE * (way.share(way.dense, by) - way.share(way.pruned, by))
    how = f"gets lost in {place}" if at_once else f"gets lost little by little, most in {place}"
    return (
        f"{what} {how}: a dense model taking over before it says {formats.plain(way.name(by))} with "
        f"{_percent(before)}, after it {_percent(after)}."
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 or share == 0 else "less than 1 %"
