"""The list of kept cuts: names, sentences and order as edited; nonsense changes nothing; a cut is used again."""

from dimap_core.studies import story as core
from dimap_core.types import PruningPlan

CUTS = tuple(core.NamedCut(f"{ratio:g}", "swin-digits", PruningPlan(ratio=ratio)) for ratio in (0.3, 0.5, 0.7))


def compared(open_app):
    app = open_app(model="swin-digits", ratio="0.2", story=core.to_link(core.Story(CUTS, "Why"))).live()
    app.page_of("compare")
    return app.until(lambda: all(row["found"].endswith("n = 540") for row in rows(app)), "what is found of all")


def rows(app):
    return app.component("dimap_story").get("rows", [{"found": ""}])


def edited(app, *kept, title="Why", **words):
    known = {row["name"]: row for row in rows(app)}
    sent = [{key: known[name][key] for key in ("key", "name", "note")} | words for name in kept]
    return app.pull("dimap_story", edit={"title": title, "rows": sent})


def test_what_is_edited_is_the_story_and_its_link(open_app):
    app = compared(open_app)
    assert [row["name"] for row in rows(app)] == ["0.3", "0.5", "0.7"]
    edited(app, "0.7", "0.3", title="Why   not?")
    told = core.from_link(app.url["story"])
    assert told.title == "Why not?" and [cut.plan.ratio for cut in told.cuts] == [0.7, 0.3]
    edited(app, "0.3", name="Little\x00 <b>", note="It costs nothing.")
    (cut,) = core.from_link(app.url["story"]).cuts
    assert (cut.name, cut.note, cut.plan.ratio) == ("Little <b>", "It costs nothing.", 0.3)
    app.pull("dimap_story", force=rows(app)[0]["key"])
    assert app.plan.ratio == 0.3


def test_too_long_a_name_and_nonsense_change_nothing(open_app):
    app = compared(open_app)
    before = app.url["story"]
    edited(app, "0.3", name="x" * 61)
    assert app.url["story"] == before and "at most 60 characters" in app.at.session_state["notice"]
    for nonsense in (
        {},
        {"rows": "no"},
        {"rows": [7]},
        {"title": "Why", "rows": [{"key": 99, "name": "x", "note": ""}]},
    ):
        app.pull("dimap_story", edit=nonsense)
        assert app.url["story"] == before
    app.pull("dimap_story", force="no")
    assert app.plan.ratio == 0.2
