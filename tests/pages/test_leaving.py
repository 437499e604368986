"""What a session sees when its model made room for others', and what is left of it when its tab is closed."""

import io
import shutil
from pathlib import Path

import pytest

from dimap_core.service.client import Ticket
from pages.ui.session import cache


def folder_of(name):
    """Where the worker keeps a model that is judged by its own images."""
    opening = cache.shared().opening.items()
    return next(ticket.events[-1]["folder"] for key, ticket in opening if (key[0], key[-1]) == (name, "null"))


def test_a_model_that_made_room_is_opened_again_with_a_notice_and_the_same_numbers(open_app):
    app = open_app(model="swin-digits", ratio="0.33").judged()
    before = [app.metric(place) for place in range(4)]
    folder = Path(folder_of("swin-digits"))
    cache.shared().worker.forget("swin-digits")
    app.until(lambda: app.at.toast, "the notice that the model made room")
    assert "Made room for newer models" in app.at.toast[0].value
    app.judged()
    assert folder.exists() and [app.metric(place) for place in range(4)] == before


def test_a_closed_tab_leaves_nothing_of_its_uploads_behind(open_app, tmp_path):
    open_app(model="swin-digits", ratio="0.33").judged()
    shared = cache.shared()
    known = folder_of("swin-digits")
    mine = str(tmp_path / "abc")
    shutil.copytree(known, mine)
    upload = shared.uploads.add("leaver", "my.safetensors", io.BytesIO(b"weights"), ".safetensors")
    key = (f"upload:{upload.token}@deit_tiny", "pretrained", "dimap", 0, "weight", 0, "null")
    shared.opening[key] = Ticket([{"loaded": mine}, {"folder": mine}], done=True)
    cache.scores(mine, "dimap", 0)
    shared.remember(("abc", None, "evaluate"), [{"n": 1}])
    shared.remember(("other", None, "evaluate"), [{"n": 2}])
    shared.cancel("stayer")
    assert upload.path.exists() and key in shared.opening and ("abc", None, "evaluate") in shared.results
    shared.cancel("leaver")
    assert not upload.path.exists() and key not in shared.opening and mine not in shared.scored
    assert ("abc", None, "evaluate") not in shared.results and ("other", None, "evaluate") in shared.results
    shutil.rmtree(mine)
    for read in (lambda: cache.model(mine), lambda: cache.scores(mine, "dimap", 0)):
        with pytest.raises(FileNotFoundError):  # nothing is mapped any more
            read()
    assert cache.model(known)


def test_a_slow_models_pace_and_precision_are_told(drawn):
    def page():
        from dimap_core.service.client import Ticket
        from pages.ui.parts import metrics

        metrics.time_left(None)
        metrics.time_left(Ticket([{"doing": "Loading"}]))
        metrics.time_left(Ticket([{"n": 4, "left": 360.0, "note": "Judged in bf16: as good."}]))
        metrics.time_left(Ticket([{"n": 9, "left": 0.0, "note": "Judged in fp32."}]))

    assert [caption.value for caption in drawn(page).caption] == [
        "About 6 min left for all images. Judged in bf16: as good.",
        "Judged in fp32.",
    ]
