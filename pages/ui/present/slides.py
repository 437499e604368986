"""The slides of a story as HTML: title, map, trade-off, each cut, two against each other, methods, end.

Next door: `deck` shows them, the core's `figures` draws what is in them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape

from dimap_core.figures import Curve, Point, Tradeoff, findings, large_picture, path_picture
from dimap_core.studies import story as core
from dimap_core.types import Proportion, in_points, is_agreement

from ..live import points
from ..look import formats, theme
from ..parts import live_map
from ..session import Tried, cache, own_models
from ..story import telling

WIDE, HIGH = 1152, 452
"""Px of the picture on a slide of 1280 x 720."""
_MAP, _HALF = (720, 250), (556, 150)


@dataclass(frozen=True)
class Slide:
    """`kind` names its layout; a statement of two lines, the second in the cut's colour, and a foot line, all plain
    text; only `body` is HTML, in which whatever a user wrote is escaped."""

    kind: str
    first: str
    second: str
    body: str
    foot: str

    def sent(self) -> dict[str, str]:
        """For the browser."""
        return vars(self)


@dataclass(frozen=True)
class Deck:
    """Slides; for the star where shares lie on the trade-off in px: x of nothing and of all kept, y of none and of all
    right, and the lowest share that the axis shows; and which slide that is on."""

    slides: Sequence[Slide]
    frame: tuple[float, ...] = ()
    live: int = -1


def build(known: Sequence[telling.Whole], title: str, pictures: Mapping[int, str], rows: Sequence[Mapping]) -> Deck:
    """All slides of cuts that something is found of; `pictures`: images by number, `rows`: the measured curve's."""
    if not known:
        return Deck([Slide("title", title or "Nothing kept yet", "", "", "")])
    slides = [_title(known, title), _map(known[0])]
    judged = [one for one in known if one.judged and _same(one, known[0])]
    frame: tuple[float, ...] = ()
    if judged:
        slide, frame = _tradeoff(judged, rows)
        slides.append(slide)
    live = len(slides) - 1 if judged else -1
    slides += [_cut(one, pictures) for one in known]
    if len(judged) > 1:
        slides.append(_versus(*judged[:2]))
    slides += _methods(known[0].kept.cut.model)
    slides.append(_end(known))
    return Deck(slides, frame, live)


def _same(one: telling.Whole, other: telling.Whole) -> bool:
    return one.kept.setting.judged == other.kept.setting.judged


def _name(one: telling.Whole) -> str:
    return own_models.shown(one.kept.cut.model)


def _images(one: telling.Whole) -> str:
    estimate = one.ground.estimate
    unlabelled = "images without labels: agreement with the dense model"
    what = unlabelled if is_agreement(one.ground.images) else "validation images"
    return "counts only" if estimate is None else f"{estimate.total:,} {what}, 95 % intervals"


def _foot(*shown: telling.Whole) -> str:
    """Model, images, and what the cuts do to time: where they differ in that, which does what."""
    kinds: dict[str, list[str]] = {}
    for one in shown:
        kinds.setdefault(findings.kind(one.kept.cut.plan.granularity), []).append(one.letter)
    told = [f"{findings.listed(letters)} {kind}" for kind, letters in kinds.items()] if len(kinds) > 1 else [*kinds]
    return f"{_name(shown[0])}, {_images(shown[0])}; {'; '.join(told)}"


def _count(value: float) -> str:
    """A number that does not break from its unit."""
    return formats.count(value).replace(" ", "\u00a0")


def _title(known: Sequence[telling.Whole], title: str) -> Slide:
    first = known[0]
    models = list(dict.fromkeys(_name(one) for one in known))
    count = f"{len(known)} cut{'s' * (len(known) > 1)} of {findings.listed(models)}"
    body = f"<p class='under'>{escape(count)}</p><p class='under quiet'>{escape(_images(first))}</p>"
    return Slide("title", title or "What can be cut, and what does it cost?", "", body, "DIMAP Explorer")


def _map(one: telling.Whole) -> Slide:
    ground, told = one.ground, one.told
    total, anatomy = told.total, ground.anatomy
    whole = dict.fromkeys(live_map.bands_of(anatomy), 1.0)
    picture = large_picture(anatomy, whole, theme.look(), WIDE, 300)
    right = f", {formats.share(ground.estimate.top1.value)} {formats.right(ground.images)}" if ground.estimate else ""
    counts = f"{_count(total.params)}\u00a0weights, {_count(total.macs)}\u00a0MACs an image"
    first = f"{_name(one)}: {counts}{right}."
    note = "Higher blocks see more patches, wider ones have more channels."
    return Slide("figure", first, "", picture.svg, f"{_name(one)}, the dense model. {note}")


def _tradeoff(judged: Sequence[telling.Whole], rows: Sequence[Mapping]) -> tuple[Slide, tuple[float, ...]]:
    ground = judged[0].ground
    look, setting = theme.look(), judged[0].kept.setting
    pins = {one.letter: _point(one) for one in judged}
    top1 = ground.estimate.top1 if ground.estimate else None
    dense = Point(1.0, top1.value, top1.low, top1.high, top1.n) if top1 else None
    curves = points.curves(setting, list(rows), "joint", "MACs") if rows else []
    chance = points.chance(setting, "joint", len(ground.class_names))
    data = Tradeoff(dense, [_short(curve) for curve in curves], pins=pins, chance=chance)
    if is_agreement(ground.images):
        data = replace(data, judged_by=points.AGREEING)
    names = {one.letter: one.kept.cut.name for one in judged}
    picture, frame = path_picture(data, names, look, WIDE, HIGH)
    best = min(pins, key=lambda letter: (pins[letter].x, -pins[letter].y))
    first, second = _reach(judged, best)
    places = frame.x(0), frame.x(1), frame.y(0), frame.y(1), frame.low
    return Slide("figure live", first, second, picture.svg, _foot(*judged)), places


def _short(curve: Curve) -> Curve:
    """As it is called where there is little room."""
    return Curve(curve.label.partition(" (")[0], curve.points, curve.reference, curve.faint)


def _reach(judged: Sequence[telling.Whole], letter: str) -> tuple[str, str]:
    """The cut that goes farthest, as the statement of all."""
    one = next(one for one in judged if one.letter == letter)
    return findings.statement(one.told.total, one.told.estimate)


def _point(one: telling.Whole) -> Point:
    """A judged cut's place."""
    tried = Tried(0, one.kept.setting, one.told.total, one.told.estimate)
    return points.point(tried, "joint", "MACs")


def _cut(one: telling.Whole, pictures: Mapping[int, str]) -> Slide:
    """A cut: its own sentence or what it reaches; numbers, map, two images that changed."""
    told, cut = one.told, one.kept.cut
    reach = findings.statement(told.total, told.estimate)
    first, second = (cut.note, "") if cut.note else reach
    numbers = "".join(f"<li>{escape(line)}</li>" for line in _numbers(one))
    changed = "".join(_changed(shown, pictures) for shown in changed_images(one))
    body = (
        f"<div class='cut'><div class='map'>{_drawn(one, *_MAP)}</div>"
        f"<div class='changed'>{changed}</div></div><ul class='numbers'>{numbers}</ul>"
    )
    name = f"<span class='letter'>{one.letter}</span> {escape(cut.name)}"
    return Slide("point", first, second, f"<p class='name'>{name}</p>{body}", _foot(one))


def _numbers(one: telling.Whole) -> list[str]:
    told = one.told
    total = told.total
    counts = (
        f"{_count(total.params_after)} of {_count(total.params)} weights, "
        f"{_count(total.macs_after)} of {_count(total.macs)} MACs"
    )
    return [counts, findings.numbers(told.estimate)]


def changed_images(one: telling.Whole) -> list[core.Shown]:
    """The two images that a cut's slide shows: lost ones first."""
    return core.changed_images(one.ground, one.told)[:2] if one.judged else []


def _changed(shown: core.Shown, pictures: Mapping[int, str]) -> str:
    if shown.number not in pictures:
        return ""
    before, after = (escape(answer) for answer in shown.answers)
    alt = f"Image {shown.number + 1}: {escape(shown.label)}"
    return (
        f"<figure><img src='{pictures[shown.number]}' alt='{alt}'>"
        f"<figcaption>{before}<br>→ {after}</figcaption></figure>"
    )


def _versus(a: telling.Whole, b: telling.Whole) -> Slide:
    """What the second costs against the first, and whether its accuracy differs; both maps."""
    named = (findings.Named(one.letter, one.told.total) for one in (a, b))
    first, _, second = findings.pair(*named, core.paired(a.ground, b.told, a.told)).partition("; ")
    maps = "".join(f"<div class='map'><p><span class='letter'>{one.letter}</span></p>{_drawn(one, *_HALF)}</div>"
                   for one in (a, b))  # fmt: skip
    body = f"<div class='cut both'>{maps}</div>{_table([a, b])}"
    return Slide("table", f"{first};", second, body, _foot(a, b))


def _drawn(one: telling.Whole, width: int, high: int) -> str:
    """A cut's map."""
    kept = dict(zip(live_map.bands_of(one.ground.anatomy), one.told.bands, strict=True))
    smaller = one.kept.cut.plan.granularity == "structure"
    return large_picture(one.ground.anatomy, kept, theme.look(), width, high, smaller).svg


def _table(shown: Sequence[telling.Whole]) -> str:
    head = "".join(f"<th scope='col'>{name}</th>" for name in ("", "MACs", "Weights", "Right", "Against dense"))
    rows = "".join(_row(one) for one in shown)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _interval(share: Proportion) -> str:
    """95.0 % (93.5 to 96.1)."""
    return f"{100 * share.value:.1f} % ({100 * share.low:.1f} to {100 * share.high:.1f})"


def _row(one: telling.Whole) -> str:
    told = one.told
    total, estimate = told.total, told.estimate
    drop = estimate.drops.get("joint") if estimate else None
    cells = [
        f"{100 * total.macs_after / total.macs:.0f} %", f"{100 * total.params_after / total.params:.0f} %",
        "not judged" if estimate is None else _interval(estimate.top1),
        "" if drop is None else f"{in_points(drop.value)}{' *' * (findings.chance(drop) == findings.BEYOND)}",
    ]  # fmt: skip
    name = f"<span class='letter'>{one.letter}</span> {escape(one.kept.cut.name)}"
    return f"<tr><th scope='row'>{name}</th>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"


def _methods(model: str) -> list[Slide]:
    """Whole methods at half of the MACs, measured beforehand on a bundled model; none for others."""
    rows = [row for row in cache.methods() if row.model == model and row.budget == 0.5]
    if not rows:
        return []
    best = max(row.top1[0] for row in rows)
    body = "".join(
        f"<tr><th scope='row'>{escape(row.label)}</th><td>{100 * row.macs_removed:.0f} %</td>"
        f"<td>{100 * row.top1[0]:.1f} %</td><td>{100 * row.top1[1]:.1f} to {100 * row.top1[2]:.1f}</td></tr>"
        for row in sorted(rows, key=lambda row: -row.top1[0])
    )
    head = "".join(f"<th scope='col'>{name}</th>" for name in ("", "MACs gone", "Right", "95 % interval"))
    table = f"<table class='small'><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    first = f"Other ways to half of the MACs: up to {100 * best:.1f} % right."
    return [Slide("table", first, "", table, f"{model}, measured beforehand, n = {rows[0].n:,}, one seed each")]


def _end(known: Sequence[telling.Whole]) -> Slide:
    return Slide("table", "What was tried", "", _table(known), f"{_foot(*known)}; * beyond chance")


def numbers(known: Sequence[telling.Whole]) -> list[int]:
    """Images that slides show: those of cuts judged by the first one's set."""
    return [shown.number for one in known if _same(one, known[0]) for shown in changed_images(one)]


def rows(known: Sequence[telling.Whole]) -> list[dict]:
    """The first cut's way of cutting over global ratios, where it was measured beforehand."""
    if not known or known[0].kept.cut.data:
        return []
    cut = known[0].kept.cut
    return cache.precomputed_rows(cut.model, cut.plan) if cut.model in cache.cards() else []
