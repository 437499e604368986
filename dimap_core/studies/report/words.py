"""What a report says of its cuts: counts and differences in words. One way of saying it in all forms.

Next door: `tables` has the same as columns, `figures.findings` the titles of figures.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...figures import findings
from ...measure import add
from ...plan import label
from ...types import MODULES, PRUNABLE_MODULES, AccuracyEstimate, Difference, Part, in_points, is_agreement
from .contents import Basis, Report, Reported

CHANCE = (
    "Intervals are at 95 %: Wilson's for shares, Newcombe's for paired differences over the same images. Each "
    "comparison stands for itself; of twenty without any effect one would look beyond chance."
)


def percent(share: float) -> str:
    """One decimal: 0.4123 -> "41.2 %"."""
    return f"{100 * share:.1f}\u00a0%"


def title(report: Report) -> str:
    """The story's own, or what it is a report on."""
    models = findings.listed([*dict.fromkeys(basis.model for basis in report.bases)])
    many = len(report.cuts)
    return report.title or f"{'One cut' if many == 1 else f'{many} cuts'} of {models}"


def question(report: Report) -> str:
    """What the report answers."""
    models = findings.listed([*dict.fromkeys(basis.model for basis in report.bases)])
    return f"How much of {models} can go, and what does it cost?"


def answer(basis: Basis, cuts: Sequence[Reported]) -> str:
    """What was found of a model's cuts, in a sentence or two."""
    if not basis.judged:
        return "Counts only: " + (
            "random weights answer at random, so that accuracy would mean nothing."
            if basis.weights == "random"
            else "there were no images to judge by."
        )
    drops = [(one, one.drop) for one in cuts if one.drop is not None]
    lost = [f"{one.letter} ({in_points(drop.value)})" for one, drop in drops if drop.high < 0]
    won = [f"{one.letter} ({in_points(drop.value)})" for one, drop in drops if drop.low > 0]
    held = [one.letter for one, drop in drops if drop.low <= 0 <= drop.high]
    parts = [f"no difference to the dense model beyond chance: {findings.listed(held)}"] if held else []
    parts += [f"worse beyond chance: {findings.listed(lost)} points"] if lost else []
    parts += [f"better beyond chance: {findings.listed(won)} points"] if won else []
    told = "; ".join(parts)
    return f"{told[:1].upper()}{told[1:]}; on the same {drops[0][1].n:,} images."


def against(drop: Difference, other: str) -> tuple[str, str]:
    """A paired difference to `other` in words, and its numbers."""
    numbers = f"{in_points(drop.value)} points, {in_points(drop.low)} to {in_points(drop.high)}, paired, n = {drop.n:,}"
    if drop.low <= 0 <= drop.high:
        return f"no difference to {other} beyond chance", numbers
    word = "better" if drop.low > 0 else "worse"
    return f"{abs(100 * drop.value):.1f} points {word} than {other}, beyond chance", numbers


def top1(estimate: AccuracyEstimate | None) -> str:
    """Top-1 with its interval and n."""
    if estimate is None:
        return "not judged"
    found = estimate.top1
    return f"{percent(found.value)} ({100 * found.low:.1f} to {100 * found.high:.1f}, n = {found.n:,})"


def kind(one: Reported) -> str:
    """Whether the cut saves anything but on paper."""
    if one.total.params_after == one.total.params:
        return "nothing is gone"
    return findings.kind(one.cut.plan.granularity)


def counts(one: Reported) -> list[tuple[str, int, int]]:
    """(what, before, after) of params and MACs; zeros are told apart from what is gone."""
    total, zeros = one.total, "" if one.smaller else " that are not zero"
    rows = [(f"Params{zeros}", total.params, total.params_after), (f"MACs{zeros and ' with such params'}", total.macs,
            total.macs_after)]  # fmt: skip
    if not one.smaller:
        rows.append(("Params that are stored", total.params, total.params))
    return rows


def facts(basis: Basis) -> list[tuple[str, str]]:
    """What model and images are, as (name, value)."""
    ground, estimate, anatomy = basis.ground, basis.ground.estimate, basis.anatomy
    params, macs = (sum(getattr(layer, name) for layer in anatomy.layers) for name in ("params", "macs"))
    depth = f"{len(anatomy.stages)} {anatomy.stage_word}s, {len(anatomy.blocks)} blocks"
    rows = [
        ("Model", f"{basis.model}, {basis.weights} weights, hash {ground.fingerprint}"),
        ("Made of", f"{depth}, {params:,} params, {macs:,} MACs for an image of {anatomy.input_size} px"),
    ]
    if estimate is None:
        return [*rows, ("Images", "none: counts only")]
    agrees = is_agreement(ground.images)  # the notes say what is right then
    where = f" ({basis.data})" if basis.data else ", its own validation split"
    rows += [
        (
            "Images",
            f"{ground.images}{where}: n = {estimate.n:,} of {len(ground.class_names):,} classes, hash {basis.pixels}",
        ),
        ("Dense", f"{top1(estimate)} {'by definition: the images have no labels' if agrees else 'top-1'}"),
    ]
    return [*rows, ("How chosen", " ".join(basis.notes))] if basis.notes else rows


def cues(one: Reported) -> str:
    """Accuracy by cue where images have them; "" elsewhere."""
    found = {} if one.told.estimate is None else one.told.estimate.cues
    return "; ".join(f"{cue} {percent(share.value)}" for cue, share in found.items() if cue != "joint")


def step(one: Reported, other: Reported, drop: Difference | None) -> str:
    """A cut against the one told before it."""
    macs = one.total.macs_after / max(other.total.macs_after, 1) - 1
    cost = f"{abs(100 * macs):.0f} % {'fewer' if macs < 0 else 'more'} MACs" if round(100 * macs) else "the same MACs"
    told = (
        f"{one.letter} has {cost} than {other.letter}"
        if round(100 * macs)
        else f"{one.letter} has {cost} as {other.letter}"
    )
    if one.smaller != other.smaller:
        told += f" (those of {other.letter if one.smaller else one.letter} are saved on paper only)"
    if drop is None:
        return f"{told}."
    said, numbers = against(drop, other.letter)
    return f"{told} and {'is ' if said[0].isdigit() else 'shows '}{said} ({numbers})."


def what(one: Reported) -> str:
    """The plan in a few words."""
    return label(one.cut.plan)


def stages(one: Reported) -> list[tuple[str, list[float | None], float, float]]:
    """By stage: its name, the share kept of what can go in each of `PRUNABLE_MODULES` and in all of them (None: there
    is nothing that could), and the shares kept of its params and MACs; the last row is the whole model's."""
    cells, word = one.told.cost.cells, one.basis.anatomy.stage_word.capitalize()
    rows = []
    for stage in sorted({at for at, _ in cells if at is not None}):
        parts = {module: cells[stage, module] for module in MODULES if (stage, module) in cells}
        rows.append(_row(f"{word} {stage + 1}", parts))
    whole = {module: add(part for (_, name), part in cells.items() if name == module) for module in MODULES}
    return [*rows, _row("Whole model", whole)]


def _row(name: str, parts: dict[str, Part]) -> tuple[str, list[float | None], float, float]:
    total = add(parts.values())
    every = [*(parts.get(module, Part()) for module in PRUNABLE_MODULES), total]
    kept = [1 - part.ratio if part.prunable else None for part in every]
    return name, kept, total.params_after / max(total.params, 1), total.macs_after / max(total.macs, 1)


def changed(one: Reported) -> str:
    """How many answers a cut changed, and how."""
    lost, won, other = one.counted
    if not lost + won + other:
        return "No answer changed."
    parts = [f"{lost:,} lost", f"{won:,} won"] + ([f"{other:,} wrong before and after"] if other else [])
    shown = len(one.changed)
    some = f" The first {shown} of them:" if shown < lost + won + other else ""
    many = lost + won + other
    return f"{many:,} answer{'s' * (many > 1)} changed: {findings.listed(parts)}.{some}"
