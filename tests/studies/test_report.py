"""The report: its numbers are the story's, hostile names stay text, no path of this machine is in it, it is small."""

import base64
import csv
import io
import json
import re
import shlex
import tempfile
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from dimap_core import pipeline
from dimap_core.cli.commands import _plan_from_options
from dimap_core.data.decode import thumbnail
from dimap_core.figures import Look, Themed, css_variables
from dimap_core.figures.way.svg import Picture
from dimap_core.plan.recipe import from_recipe
from dimap_core.studies import report as reports, story
from dimap_core.studies.report import command, drawing, latex, paper, tables, words
from dimap_core.studies.report.naming import called, images_called
from dimap_core.studies.report.page import page
from dimap_core.training.methods import comparison
from dimap_core.types.errors import StoryError
from dimap_core.types.plan import PruningPlan
from tests.helpers import assert_refused
from tests.studies.test_story import PLANS

HOSTILE = (
    "<script>alert(1)</script>", "{{7*711}} {% raw %}", "\"'><img src=x onerror=alert(1)>",
    "</style></script><svg onload=x>",
    "=HYPERLINK(1) | # *b* [a](javascript:x) $x^2_i$ \\end{table}", "مرحبا \u202eabc\u2066\x00 & %{x}<br><b>",
)  # fmt: skip
PLAN = (
    PruningPlan(ratio=0.5), PruningPlan(ratio=0.9, scope="layer", criterion="magnitude"),
    PruningPlan(ratio=0.4, granularity="structure"), PruningPlan(ratio=None, granularity="nm", nm="2:4"),
)  # fmt: skip
MINUS = str.maketrans({"−": "-", "\u00a0": " "})


def gathered(told, **more):
    """What is gathered at the end."""
    *_, (_, found) = reports.gather(told, reports.by_name(), comparison.read(), **more)
    return found


@pytest.fixture(scope="module")
def report():
    """Four cuts of the digits model under hostile names."""
    cuts = tuple(
        story.NamedCut(name, "swin-digits", plan, note)
        for name, note, plan in zip(HOSTILE[:4], HOSTILE[2:], PLAN, strict=True)
    )
    return gathered(story.Story(cuts, HOSTILE[0]))


class Read(HTMLParser):
    """The tags and attributes of a page, its visible text, and its scripts."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text, self.scripts, self.inside = [], [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.inside = tag

    def handle_endtag(self, tag):
        self.inside = ""

    def handle_data(self, data):
        {"script": self.scripts, "style": []}.get(self.inside, self.text).append(data)


@pytest.fixture(scope="module")
def html(report):
    return page(report)


@pytest.fixture(scope="module")
def read(html):
    return Read(html)


def shown_text(read):
    return " ".join(" ".join(read.text).split())


def test_hostile_names_are_text_wherever_they_stand(report, read):
    seen = shown_text(read)
    for name in HOSTILE[:4]:
        assert " ".join(name.split()) in seen
    assert "4977" not in seen  # what a template would have made of it
    assert not [attribute for _, attributes in read.tags for attribute in attributes if attribute.startswith("on")]
    assert {tag for tag, _ in read.tags}.isdisjoint({"iframe", "object", "embed", "form", "input", "base", "image"})
    assert len([tag for tag, _ in read.tags if tag == "script"]) == 3  # the figure's data, plotly, ours
    assert "\u202e" not in seen and "\x00" not in seen


def test_hostile_class_names_are_text(report):
    one = report.cuts[1]
    (shown, picture), *others = one.changed
    bad = replace(shown, label=HOSTILE[0], answers=(HOSTILE[2], HOSTILE[3]))
    changed = replace(one, changed=((bad, picture), *others))
    made = Read(page(replace(report, cuts=(changed,))))
    assert len([tag for tag, _ in made.tags if tag == "script"]) == 3
    assert len([tag for tag, _ in made.tags if tag == "img"]) == len(one.changed)
    assert not [attribute for _, attributes in made.tags for attribute in attributes if attribute.startswith("on")]


def test_drawn_images_are_enlarged_in_blocks_and_photographs_smoothly(report, read):
    one = report.cuts[1]
    photographs = replace(one, basis=replace(one.basis, data="folder:photographs"))
    made = Read(page(replace(report, cuts=(photographs,))))
    lists = [{attributes["class"] for tag, attributes in found.tags if tag == "ul" and "class" in attributes}
             for found in (read, made)]  # fmt: skip
    assert "images drawn" in lists[0] and "images" in lists[1] and "images drawn" not in lists[1]


def test_words_in_a_figure_to_hover_over_are_text_too(read):
    (figure,) = [json.loads(text) for text in read.scripts if text.startswith('{"dark"')]
    hovers = [trace["hovertext"][0] for trace in figure["light"]["data"] if "hovertext" in trace]
    assert len(hovers) == 4 and "&lt;script&gt;" in hovers[0] and "<script" not in "".join(hovers)
    assert [trace["text"][0] for trace in figure["dark"]["data"] if "hovertext" in trace] == [
        f"<b>{letter}</b>" for letter in "ABCD"
    ]


def test_nothing_is_asked_of_anyone(read, html):
    for tag, attributes in read.tags:
        for name in ("src", "href", "action", "data", "srcset"):
            assert attributes.get(name, "#").startswith(("#", "data:")), (tag, attributes)
    assert html.count("plotly.js v") == 1 and "@import" not in html and "url(http" not in html


def test_no_path_of_this_machine_is_in_any_form(report, html, tmp_path):
    text, _ = paper.paper(report, "pictures")
    for form in (html, text, latex.table(report), json.dumps(tables.rows(report))):
        for path in (Path.home(), Path(__file__).parents[2], tempfile.gettempdir(), tmp_path):
            assert str(path) not in form or str(path) == "/"


def test_models_and_images_are_called_by_their_last_part(tmp_path):
    file = tmp_path / "mine.pth"
    file.touch()
    assert called(f"file:{file}@deit_tiny_patch16_224", {}) == "mine.pth@deit_tiny_patch16_224"
    assert called(str(file), {}) == "mine.pth" and called("swin-digits", {}) == "swin-digits"
    assert called("upload:abc", {"upload:abc": "own.pth"}) == "own.pth"
    assert images_called(f"folder:{tmp_path}", {}) == f"folder:{tmp_path.name}"
    assert called("upload:abc", {}) == "uploaded file" and images_called("upload:abc", {}) == "uploaded zip"


def test_the_numbers_are_those_of_the_story(report):
    opened = pipeline.open_model("swin-digits")
    data = pipeline.default_data(opened)
    for row, one, plan in zip(tables.rows(report), report.cuts, PLAN, strict=True):
        _, cost = pipeline.apply_plan(opened, plan)
        estimate = pipeline.judge_fully(opened, data, plan)
        assert one.total == cost.total
        assert (row["n"], row["correct"]) == (estimate.n, estimate.top1.correct) == (540, row["correct"])
        assert row["top1"] == round(estimate.top1.value, 6) and row["top1_low"] == round(estimate.top1.low, 6)
        assert row["change"] == round(estimate.drops["joint"].value, 6)
        kept = row["params"] if plan.granularity == "structure" else row["params_nonzero"]
        assert kept == cost.total.params_after and from_recipe(row["recipe"]) == plan
        assert (row["params"] == cost.total.params) == (plan.granularity != "structure")


def test_the_page_says_what_the_table_says(report, read):
    seen = shown_text(read).translate(MINUS)
    for one in report.cuts:
        top1, drop = one.told.estimate.top1, one.drop
        assert f"{100 * top1.value:.1f} % ({100 * top1.low:.1f} to {100 * top1.high:.1f}, n = 540)" in seen
        assert f"{100 * drop.value:+.1f} points, {100 * drop.low:+.1f} to {100 * drop.high:+.1f}, paired" in seen
        assert f"{one.total.params_after:,}" in seen and f"{one.total.macs_after:,}" in seen
        assert command.command(one) in seen
    assert "zeros: smaller on paper, not faster" in seen and "really smaller" in seen
    assert report.cuts[0].basis.ground.fingerprint in seen and "Precomputed" in seen


def test_csv_gives_the_same_numbers_back_and_no_spreadsheet_computes_names(report, tmp_path):
    named = replace(report.cuts[0], cut=replace(report.cuts[0].cut, name=HOSTILE[4]))
    reports.write(replace(report, cuts=(named, *report.cuts[1:])), tmp_path / "t.csv", "csv")
    found = list(csv.DictReader(io.StringIO((tmp_path / "t.csv").read_text("utf-8"))))
    for row, wanted in zip(found, tables.rows(report), strict=True):
        for key in ("params", "macs", "n", "correct", "top1", "top1_low", "change", "change_high", "macs_removed"):
            assert float(row[key]) == wanted[key], key
        assert json.loads(row["recipe"]) == json.loads(wanted["recipe"])
    assert found[0]["name"] == "'" + HOSTILE[4] and found[2]["params_nonzero"] == ""


def test_latex_gives_the_same_numbers_back(report):
    lines = [line for line in latex.table(report).splitlines() if re.match(r"[A-I] & ", line)]
    for line, one in zip(lines, report.cuts, strict=True):
        numbers = [float(text) for text in re.findall(r"-?\d+\.\d\d", line.rpartition(r"}")[2] or line)]
        total, top1, drop = one.total, one.told.estimate.top1, one.drop
        wanted = [total.params_after / total.params, total.macs_after / total.macs, top1.value, top1.low, top1.high,
                  drop.value, drop.low, drop.high]  # fmt: skip
        assert numbers[-8:] == [float(f"{100 * share:.2f}") for share in wanted]


def test_latex_sets_names_as_they_are():
    assert latex.escaped(r"\end{a}_%$&#^~<|>") == (
        r"\textbackslash{}end\{a\}\_\%\$\&\#\textasciicircum{}\textasciitilde{}\textless{}\textbar{}\textgreater{}"
    )


def test_markdown_comes_with_whole_pictures(report, tmp_path):
    reports.write(report, tmp_path / "paper.md", "md")
    text = (tmp_path / "paper.md").read_text("utf-8")
    named = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text)
    there = {f"paper-pictures/{path.name}" for path in (tmp_path / "paper-pictures").iterdir()}
    assert set(named) == there and sum(name.endswith(".svg") for name in named) == 1 + len(report.cuts)
    assert not re.search(r"(?<!\\)<", text) and r"\<script\>" in text and not re.search(r"(?<!\\)\]\(javascript", text)
    for name in there:
        content = (tmp_path / name).read_bytes()
        assert content.startswith((b"<svg", b"\x89PNG")) and b"var(--" not in content
    reports.write(report, tmp_path / "paper.md", "md")  # once more, in the place of the first


def test_nine_cuts_with_images_of_noise_stay_under_six_megabytes(report):
    noise = np.random.default_rng(0).integers(0, 256, (3, 300, 300)).astype(np.uint8)
    address = thumbnail(noise, 48)
    first = report.cuts[1]
    changed = tuple((shown, address) for shown, _ in first.changed)
    assert len(changed) == 8
    many = tuple(replace(first, letter=letter, changed=changed) for letter in story.LETTERS)
    assert len(page(replace(report, cuts=many)).encode()) < 6e6


@pytest.mark.parametrize("plan", PLANS, ids=range(len(PLANS)))
def test_the_command_makes_the_very_plan(report, plan):
    one = replace(report.cuts[0], cut=replace(report.cuts[0].cut, plan=plan))

    line = shlex.split(command.command(one))
    if command.needs_recipe(one):
        assert plan.protected and "--recipe" in line
        return
    given = {}
    words_of = iter(line[line.index("prune") + 2 : line.index("--data")])
    for option in words_of:
        key = option.removeprefix("--")
        if key == "repair":
            given[key] = True
        elif key in ("stage-ratio", "kind-ratio"):
            given.setdefault(key, []).append(next(words_of))
        else:
            text = next(words_of)
            given[key] = text if key in ("criterion", "granularity", "scope", "nm") else json.loads(text)
    assert _plan_from_options(given) == plan


def test_cuts_are_compared_with_the_one_before(report):
    first, second, *_ = report.cuts
    assert report.before(first) is None
    other, drop = report.before(second)
    ground = second.basis.ground
    assert other is first and drop == story.paired(ground, second.told, first.told)
    said = words.step(second, other, drop)
    assert said.startswith("B has ") and ("beyond chance" in said)


def test_shares_by_stage_are_those_of_the_counts(report):
    one = report.cuts[0]
    rows = words.stages(one)
    assert [row[0] for row in rows] == ["Stage 1", "Stage 2", "Stage 3", "Stage 4", "Whole model"]
    total = one.total
    assert rows[-1][1][3] == pytest.approx(1 - total.removed / total.prunable)
    assert rows[-1][2:] == (total.params_after / total.params, total.macs_after / total.macs)


def test_what_a_file_says_otherwise_is_told(report):
    one = report.cuts[0]
    known = story.Known("another", one.basis.ground.images, report.cuts[1].told)
    found = gathered(story.Story((replace(one.cut, name="x", known=known),)))
    assert len(found.cuts[0].differs) == 3 and "the model has other weights here" in found.cuts[0].differs[0]
    assert "Not as the file says" in shown_text(Read(page(found)))


def test_the_story_inside_opens_again_with_the_same_numbers(report, read):
    (address,) = [at["href"] for tag, at in read.tags if at.get("download")]
    inside = story.from_file(base64.b64decode(address.partition(",")[2]))
    assert [one.plan for one in inside.cuts] == list(PLAN) and inside.title == report.title
    for one, known in zip(report.cuts, inside.cuts, strict=True):
        assert story.what_differs(known.known, one.basis.ground, one.told) == []


def test_a_model_that_is_not_judged_is_counted():
    found = gathered(story.Story((story.NamedCut("r", "deit-digits", PLAN[0], weights="random"),)))
    text = shown_text(Read(page(found)))
    assert "Counts only: random weights" in text and "not judged" in text and not found.methods
    assert "plotly.js v" not in page(found) and tables.rows(found)[0]["top1"] is None
    assert "not judged" in paper.paper(found, "p")[0] and r"-- & -- \\" in latex.table(found)


def test_cuts_that_cannot_be_told_are_named():
    bad = PruningPlan(ratio=None, budget=0.9999, budget_kind="macs")
    cuts = (story.NamedCut("fine", "swin-digits", PLAN[0]), story.NamedCut("bad", "swin-digits", bad))
    assert_refused(StoryError, lambda: gathered(story.Story(cuts)), "Cut B of the story")
    upload = story.NamedCut("own", "upload:abc", PLAN[0])
    assert_refused(StoryError, lambda: gathered(story.Story((upload,))), "'own'", "uploaded")
    assert_refused(StoryError, lambda: gathered(story.Story()), "no cut to report on")


def test_a_picture_in_the_pages_colours_is_the_same_picture(report):
    one = report.cuts[2]
    light = drawing.model_map(one, Look())
    themed = drawing.model_map(one, Themed())
    assert isinstance(themed, Picture) and "#" not in re.sub(r"url\(#[^)]+\)", "", themed.svg)
    for dark in (False, True):
        values = css_variables(dark)
        drawn = re.sub(r"var\(--([\w-]+)\)", lambda match, named=values: named[match[1]], themed.svg)
        assert drawn == drawing.model_map(one, Look(dark=dark)).svg
    renamed = drawing.own_names(light.svg, "k")
    assert set(re.findall(r"url\(#([^)]+)\)", renamed)) <= set(re.findall(r'pattern id="([^"]+)"', renamed))
