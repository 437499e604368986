"""The report as Markdown with its pictures beside it, for a paper: SVG that we draw ourselves and small PNG of images,
so that no browser is needed.

Names that somebody typed are text: Markdown makes no link, picture or markup of them.
Next door: `page` writes the same as HTML.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Sequence

from ...data import shown
from ...figures import Look
from ...plan import to_recipe
from ...types import PRUNABLE_MODULES
from . import command, drawing, tables, words
from .contents import Basis, Report, Reported

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~$&!])")
_COLUMNS = ("Cut", "Top-1", "Points against dense, paired", "MACs kept", "Params kept", "In which sense")


def paper(report: Report, pictures: str) -> tuple[str, dict[str, bytes]]:
    """The text, and its pictures by name, which lie in the folder `pictures` beside it."""
    files: dict[str, bytes] = {}
    parts = [f"# {_text(words.title(report))}", _text(words.question(report))]
    for place, basis in enumerate(report.bases, start=1):
        parts += _basis(report, basis, place, pictures, files)
    if report.methods:
        rows = [[_text(str(value)) for value in row.values()] for row in tables.methods(report.methods)]
        head = ("Model", "Method", "MACs removed", "Params removed", "Before training", "After training", "Time")
        parts += [
            "## Other ways, measured beforehand",
            f"Stored with the program, one seed each; {tables.alike(report.methods)}.",
            _table(head, rows),
        ]
    return "\n\n".join([*parts, *_again(report)]) + "\n", files


def _basis(report: Report, basis: Basis, place: int, pictures: str, files: dict[str, bytes]) -> list[str]:
    cuts, images = report.of(basis), f" on {basis.ground.images}" if basis.judged else ""
    parts = [f"## {_text(basis.model + images)}", words.answer(basis, cuts)]
    parts.append("\n".join(f"- {name}: {_text(value)}" for name, value in words.facts(basis)))
    figure = drawing.trade_off(report, basis, Look())
    if figure is not None:
        files[f"tradeoff-{place}.svg"] = figure.still.svg.encode()
        parts.append(f"![{_text(figure.title)}]({pictures}/tradeoff-{place}.svg)")
    rows = [[f"{row['letter']} {_text(row['name'])}", *list(row.values())[2:]] for row in tables.overview(cuts)]
    parts += [_table(_COLUMNS, rows), words.CHANCE if basis.judged else ""]
    return [*filter(None, parts), *(part for one in cuts for part in _cut(report, one, pictures, files))]


def _cut(report: Report, one: Reported, pictures: str, files: dict[str, bytes]) -> Iterable[str]:
    yield f"### {one.letter}: {_text(one.cut.name)}"
    if one.cut.note:
        yield _text(one.cut.note)
    against = words.against(one.drop, "dense") if one.drop else None
    found = f"**{words.top1(one.told.estimate)}**" + (f": {against[0]} ({against[1]})" if against else "")
    yield f"{found}. {_text(words.what(one))}: {words.kind(one)}."
    if before := report.before(one):
        yield words.step(one, *before)
    if one.differs:
        yield "Not as the file says: " + _text("; ".join(one.differs)) + "."
    files[f"map-{one.letter}.svg"] = drawing.model_map(one, Look()).svg.encode()
    yield f"![{drawing.kept_title(one)}]({pictures}/map-{one.letter}.svg)"
    yield _table(("Counts", "Dense", one.letter), [[name, f"{a:,}", f"{b:,}"] for name, a, b in words.counts(one)])
    head = ("Kept", *(module.removesuffix("-M") for module in PRUNABLE_MODULES), "All three", "Params", "MACs")
    yield _table(head, [
        [name, *("–" if share is None else words.percent(share) for share in kept), words.percent(params),
         words.percent(macs)] for name, kept, params, macs in words.stages(one)
    ])  # fmt: skip
    if one.basis.judged:
        yield words.changed(one)
    if one.changed:
        yield "\n".join(_images(one, pictures, files))
    yield f"```sh\n{command.command(one)}\n```"
    yield f"```json\n{json.dumps(to_recipe(one.cut.plan), indent=1)}\n```"


def _images(one: Reported, pictures: str, files: dict[str, bytes]) -> Iterable[str]:
    for image, address in one.changed:
        name, label = f"{one.letter}-{image.number + 1}.png", _text(shown(image.label))
        files[name] = base64.b64decode(address.partition(",")[2])
        dense, cut = (_text(shown(answer)) for answer in image.answers)
        yield f"- ![{label}]({pictures}/{name}) {label}: dense says {dense}, {one.letter} says {cut}"


def _again(report: Report) -> list[str]:
    made = report.made
    by = ", ".join(f"{name} {version}" for name, version in made.versions.items())
    return [
        "## How to do it again",
        f"Made {made.when} in {made.seconds} s on {_text(made.processor)}, {made.threads} thread(s), by {by}.",
    ]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def _text(words: str) -> str:
    return _SPECIAL.sub(r"\\\1", words)
