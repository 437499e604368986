"""A model whose weights are on their way: how far they are is told, and whoever does not want to wait goes on."""

import pytest
from PIL import Image

from dimap_core.data.registry import load_data
from dimap_core.service import Ticket
from pages.ui.session import cache
from tests.pages.test_recipe_line import typed

NAME = "swin_tiny_patch4_window7_224.ms_in1k"
EVENT = {"doing": "Downloading pretrained weights", "done": 34e6, "total": 113.2e6, "left": 4.0}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two images of every digit."""
    data = load_data("digits")
    for number in range(20):
        place = tmp_path / str(data.labels[number])
        place.mkdir(exist_ok=True)
        Image.fromarray(data.images[number].transpose(1, 2, 0)).save(place / f"{number}.png")
    monkeypatch.setenv("DIMAP_ROOTS", str(tmp_path))
    return tmp_path


def test_a_download_is_told_and_not_waited_for(open_app, folder, monkeypatch):
    link = {"model": "swin-digits", "ratio": "0.5", "data": f"folder:{folder}"}
    app, worker = open_app(**link).live(), cache.shared().worker
    submit, asked, cancelled = worker.submit, [], []

    def noted(session, channel, request):
        if request["model"] != NAME:
            return submit(session, channel, request)
        asked.append((channel, Ticket([EVENT])))
        return asked[-1][1]

    def cancel(*whose):
        cancelled.append(whose)
        asked[-1][1].replaced = asked[-1][1].done = True

    monkeypatch.setattr(worker, "submit", noted)
    monkeypatch.setattr(worker, "cancel", cancel)
    typed(app, NAME)
    app.until(lambda: any("Downloading" in text for text in app.texts()), "how far it is")
    (bar,) = app.at.get("progress")
    assert bar.proto.text == "34.0 of 113.2 MB, about 4 s left" and [channel for channel, _ in asked] == ["live"]
    app.click("Don't wait").live()
    assert [channel for _, channel in cancelled] == ["live"]
    assert app.url["model"] == "swin-digits" and app.plan.ratio == 0.5
    assert app.notices == [f"The download of {NAME} goes on; name the model again to see how far it is."]
    typed(app, NAME)  # what was left is asked for anew
    app.until(lambda: any("Downloading" in text for text in app.texts()), "how far it is")
    assert len(asked) == 2
    opening = cache.shared().opening  # of all sessions
    for key in [key for key in opening if key[0] == NAME]:
        opening.pop(key)
