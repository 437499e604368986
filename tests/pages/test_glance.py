"""One image with both answers on the map: once the cut rests, of the image that was picked, an older cut's marked."""

from types import SimpleNamespace

import pytest

from dimap_core.service import Ticket
from pages.ui.live import streaming


def seen(app, number, old=False):
    """Wait until the image of that number has its answer."""
    app.until(
        lambda: (image := app.feed.get("image")) and image["number"] == number and image["old"] == old, "a glance"
    )
    return app.feed["image"]


def test_the_first_image_has_its_answers_once_the_cut_rests_and_a_picked_one_then(open_app):
    app = open_app(model="swin-digits", ratio="0.3").judged()
    first = seen(app, 1)
    assert len(first["pruned"]) == len(first["dense"]) == 3 and first["picture"].startswith("data:image/png")
    assert sum(share for _, share in first["pruned"]) <= 1 + 1e-6
    app.move(all=0.95)
    assert app.feed["image"] == {**first, "old": True}  # an earlier cut's answer says so until the new one is there
    app.judged()
    later = seen(app, 1)
    assert later["picture"] == first["picture"] and later["dense"] == first["dense"]
    assert later["pruned"] != first["pruned"]
    app.at.session_state["picked"], app.at.session_state["picked_of"] = 5, "digits"
    app.run()
    assert seen(app, 5)["picture"] != first["picture"]


def test_a_hand_that_moves_waits_for_no_glance(open_app):
    app = open_app(model="swin-digits", ratio="0.35").live()
    app.move(all=0.413, drag="one", final=False).judged()  # a cut that no other session has looked at
    asked, _ = app.at.session_state["streams"].get(("glance", False), (("", "", "", ""), None))
    assert '"ratio": 0.413' not in asked[3]
    app.move(all=0.413, drag="one")
    seen(app, 1)
    asked, _ = app.at.session_state["streams"]["glance", False]
    assert '"ratio": 0.413' in asked[3]


@pytest.mark.parametrize(
    ("last", "more", "passing", "rests"),
    [
        ({"n": 100, "left": 300.0}, {}, False, True),  # a slow model, whose images take minutes
        ({"n": 99, "left": 300.0}, {}, False, False),
        ({"n": 120}, {}, False, False),
        ({"n": 100, "left": 300.0}, {"replaced": True}, False, False),
        ({"n": 100, "left": 300.0}, {}, True, False),
        ({"n": 540}, {"done": True}, False, True),
        ({"doing": "Decoding images, 16 of 1,000"}, {}, False, False),
    ],
)
def test_a_slow_models_image_is_asked_for_with_its_first_answer(last, more, passing, rests):
    assert streaming.rests(SimpleNamespace(passing=passing), Ticket([last], **more)) is rests


def test_there_is_no_image_where_nothing_is_judged(open_app):
    app = open_app(model="swin_tiny_patch4_window7_224", weights="random").live()
    assert app.feed["image"] is None
