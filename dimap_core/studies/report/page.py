"""The report as one HTML file that needs nothing else: no server, no network, no other file.

Jinja escapes all that goes into the template; what is marked safe are our own pictures, style and script.
Next door: `paper` writes the same as Markdown.
"""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from ...data import FOLDER, ZIP, shown
from ...figures import Themed, css_variables
from ...plan import to_recipe
from ..story import Known, Story, to_file
from . import command, drawing, tables, words
from .contents import Basis, Report, Reported

_HERE = Path(__file__).parent


def page(report: Report) -> str:
    """The whole file."""
    template = _environment().get_template("page.html.jinja")
    bases = [_basis(report, basis, place) for place, basis in enumerate(report.bases)]
    return template.render(
        report=report, title=words.title(report), question=words.question(report), bases=bases, chance=words.CHANCE,
        methods=tables.methods(report.methods), alike=tables.alike(report.methods), story=_story(report),
        paths=_on_disk(report), style=Markup(_style()), script=Markup((_HERE / "page.js").read_text("utf-8")),
        plotly=Markup(get_plotlyjs()) if any(basis["figure"] for basis in bases) else "",
    )  # fmt: skip


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    made.filters |= {"percent": words.percent, "shown": shown}
    return made


def _style() -> str:
    """Ours, and what colours are called, light and dark; what is printed is light."""
    light, dark = ("".join(f"--{name}:{value};" for name, value in css_variables(on).items()) for on in (False, True))
    colors = f":root{{{light}color-scheme:light}}"
    colors += f"@media screen and (prefers-color-scheme:dark){{:root{{{dark}color-scheme:dark}}}}"
    return colors + (_HERE / "page.css").read_text("utf-8")


def _basis(report: Report, basis: Basis, place: int) -> dict[str, Any]:
    """What the page tells of a model and its cuts."""
    cuts, figure = report.of(basis), drawing.trade_off(report, basis, Themed())
    return {
        "basis": basis, "answer": words.answer(basis, cuts), "key": f"model-{place + 1}", "facts": words.facts(basis),
        "figure": figure, "still": Markup(figure.still.svg) if figure else "",
        "rows": tables.overview(cuts), "cuts": [_cut(report, one) for one in cuts],
    }  # fmt: skip


def _cut(report: Report, one: Reported) -> dict[str, Any]:
    """What the page tells of a cut."""
    wide, narrow = (drawing.model_map(one, Themed(), small) for small in (False, True))
    before = report.before(one)
    return {
        "one": one, "what": words.what(one), "kind": words.kind(one), "counts": words.counts(one),
        "top1": words.top1(one.told.estimate), "cues": words.cues(one), "stages": words.stages(one),
        "against": words.against(one.drop, "dense") if one.drop else None,
        "before": words.step(one, *before) if before else None,
        "map_title": drawing.kept_title(one), "changed": words.changed(one) if one.basis.judged else "",
        "wide": Markup(drawing.own_names(wide.svg, f"w{one.letter}")),
        "narrow": Markup(drawing.own_names(narrow.svg, f"n{one.letter}")),
        "recipe_text": json.dumps(to_recipe(one.cut.plan)), "command": command.command(one),
        "needs_recipe": command.needs_recipe(one), "exact": command.is_exact(one),
    }  # fmt: skip


def _story(report: Report) -> str:
    """The story's file as an address that holds it, with what was found here."""
    known = [
        replace(one.cut, known=Known(one.basis.ground.fingerprint, one.basis.ground.images,
                                     replace(one.told, answers=())))
        for one in report.cuts
    ]  # fmt: skip
    text = to_file(Story(tuple(known), report.title))
    return "data:application/json;base64," + base64.b64encode(text.encode()).decode()


def _on_disk(report: Report) -> bool:
    """Whether a model or images of it lie in files of somebody's own."""
    return any(one.cut.data.startswith((FOLDER, ZIP)) or Path(one.cut.model).suffix for one in report.cuts)
