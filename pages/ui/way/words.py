"""What is said of an image's way: where the two models part, and where the answer got lost. Of one image, no more."""

from __future__ import annotations

from dimap_core.types import Way, answer

from ..look import formats

_FATES = ((0.9, "stays"), (0.6, "mostly stays"), (0.3, "fades"), (0.0, "goes"))
_LOST = 0.5  # of its share: below, the answer counts as lost


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
    told = []
    for by in way.by:
        kept = way.share(way.pruned, by) / max(way.share(way.dense, by), 1e-12)
        name = f"the {by}" if way.cues else formats.plain(way.name(by))
        told.append(f"{name} {next(fate for least, fate in _FATES if kept >= least)}")
    return ", ".join(told)


def details(way: Way) -> str:
    """Whose image, and where what the answer needs got lost."""
    which = "Your image" if way.image is None else f"Image {way.image + 1:,} of {way.images:,}"
    label = "" if way.label is None else f", labelled **{formats.plain(way.classes[way.label])}**"
    lines = [f"{which}{label}.", *_apart(way)]
    for by in way.by:
        if way.share(way.pruned, by) < _LOST * way.share(way.dense, by):
            step, before, after = way.loss(by)
            what = f"The {by}" if way.cues else "The answer"
            lines.append(
                f"{what} gets lost in **{way.stage_word} {step.stage + 1}, block {step.block + 1}**: a dense model "
                f"that takes over before it still gives {formats.plain(way.name(by))} {_percent(before)}, after it "
                f"{_percent(after)}."
            )
    return " ".join(lines)


def _apart(way: Way) -> list[str]:
    """How far the two are from each other before and after where they part."""
    stage, before, after = way.parting
    if after == 0:
        return []
    if stage == 0:
        return [f"The first {way.stage_word} already moves the two {_percent(after)} apart."]
    return [
        f"Up to {way.stage_word} {stage} the two differ by {_percent(before)}, "
        f"after {way.stage_word} {stage + 1} by {_percent(after)}."
    ]


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 or share == 0 else "less than 1 %"
