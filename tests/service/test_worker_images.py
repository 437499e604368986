"""The worker with images that someone chose: what it leaves on disk, what it judges, what happens when files change."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dimap_core import pipeline
from dimap_core.data.registry import load_data
from dimap_core.data.sources import ImageSource
from dimap_core.measure.predictions import outcomes
from dimap_core.service import index
from dimap_core.service.worker import Worker
from dimap_core.types.plan import PruningPlan
from tests.helpers import serve


@pytest.fixture
def folder(tmp_path):
    """The first 120 digits as PNGs."""
    data = load_data("digits")
    for number in range(120):
        place = tmp_path / "set" / str(data.labels[number])
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(data.images[number].transpose(1, 2, 0)).save(place / f"{number}.png")
    return tmp_path / "set"


@pytest.fixture
def worker(tiny_swin, tmp_path):
    made = Worker(tmp_path / "worker")
    fresh = replace(tiny_swin, dense={})
    made.models.opened[OWN] = fresh
    return made


OWN = ("swin-digits", "pretrained")  # a known name; the model is the tiny one


def ask(worker, kind, source, count=70, criterion="taylor", **more):
    """All events of one request but the last, which says that it is done or why it is not."""
    images = ImageSource(f"folder:{source}", count).request()
    recipe = {"version": 1, "criterion": criterion, "ratio": 0.5, "images": 32}
    base = {"model": OWN[0], "weights": "pretrained", "session": "a", "channel": "live", "ticket": "1"}
    worker.accept({**base, "kind": kind, "images": images, "recipe": recipe, **more})
    events = serve(worker)
    json.dumps(events)
    return [event["event"] for event in events[:-1]], events[-1]


def test_a_model_is_left_on_disk_with_its_images_and_judged_by_them(worker, folder):
    events, last = ask(worker, "open", folder)
    assert last == {"ticket": "1", "done": True}
    assert any(event.get("doing", "").startswith("Looking at the images, ") for event in events)
    place = Path(events[-1]["folder"])
    info, _ = index.read_model(place)
    facts = index.read_facts(place)
    assert facts["images"] == 70 and facts["classes"] == 10 and len(facts["rows"]) == 10 and facts["title"] == "set"
    assert info.data.startswith("set-") and info.fingerprint == worker.models.opened[OWN].info.fingerprint
    assert index.has_scores(place, "taylor", 0, "weight", 32)
    own = place.parent / info.fingerprint
    assert index.read_facts(own) is None and index.read_model(own)[0].data == "digits"
    assert (own / "weights.npy").samefile(place / "weights.npy")
    events, _ = ask(worker, "open", folder, criterion="dimap")
    assert Path(events[-1]["folder"]) == place
    assert all(
        (own / name).samefile(place / name) for name in ("dimap-0-weight-0.ordered.npy", "dimap-0-weight-0.table.npy")
    )
    events, _ = ask(worker, "evaluate", folder, data=info.data)
    assert events[0] == {"doing": "Decoding images, 16 of 70"} and events[-1]["n"] == events[-1]["total"] == 70
    found = worker.models.images.on(worker.models.opened[OWN], ImageSource(f"folder:{folder}", 70).request())
    expected = pipeline.judge_fully(found, pipeline.default_data(found), PruningPlan("taylor", ratio=0.5, images=32))
    assert events[-1]["cues"]["joint"]["correct"] == expected.top1.correct
    assert [event["doubt"]["classes"] for event in events if "doubt" in event] == [{}]  # an untrained model's chance
    assert events[-1]["doubt"]["told"] == pipeline.doubt(found, pipeline.default_data(found)).told


def test_pictures_of_judged_images_lie_on_disk_as_answers_arrive(worker, folder):
    opened, _ = ask(worker, "open", folder)
    name = index.read_model(Path(opened[-1]["folder"]))[0].data
    (first, *events), _ = ask(worker, "predictions", folder, data=name)
    data = index.read_data(Path(first["folder"]))
    found = outcomes(events, data)
    shown = {image.tobytes() for image in np.asarray(data.images)}
    files = {np.asarray(Image.open(path).convert("RGB")).transpose(2, 0, 1).tobytes() for path in folder.rglob("*.png")}
    assert len(found) == len(shown) == 70 and shown < files
    assert (data.labels[found.images] == found.labels).all()


def test_images_that_changed_since_they_were_listed_are_not_judged_under_the_old_name(worker, folder):
    names = []
    for _ in range(2):
        events, _ = ask(worker, "open", folder, 120, "dimap")
        names.append(index.read_model(Path(events[-1]["folder"]))[0].data)
        next(folder.rglob("*.png")).unlink()
    assert names[0] != names[1]
    events, last = ask(worker, "evaluate", folder, 120, "dimap", data=names[0])
    assert events == [] or events[0].keys() == {"doing"}
    assert last["error"] == "The images of 'set' have changed since they were listed; choose them again."
    events, _ = ask(worker, "evaluate", folder, 120, "dimap", data=names[1])
    assert events[-1]["n"] == 119  # the file that went since is one that cannot be read: another one stands in


def test_only_the_choices_seen_last_stay_on_disk_and_an_evicted_models_go_with_it(worker, folder):
    for count in range(40, 46):
        events, _ = ask(worker, "open", folder, count=count, criterion="dimap")
    kept = list(worker.models.folder.glob("*-on-*"))
    assert len(kept) == 4 and Path(events[-1]["folder"]) in kept
    worker.models.images.forget(worker.models.opened[OWN].info.fingerprint)
    assert not worker.models.images.kept


def test_what_cannot_be_judged_is_one_sentence(worker, folder, tmp_path):
    _, last = ask(worker, "open", tmp_path / "nowhere")
    assert last["error"].startswith("'") and "is not a folder that can be read" in last["error"]
    for number in range(10):
        (folder / str(number)).rename(folder / f"class {'abcdefghij'[number]} of letters")
    (folder / "k").mkdir()  # eleven folders for ten classes, none of them recognised
    events, last = ask(worker, "open", folder, criterion="dimap")
    place = Path(events[-1]["folder"])
    assert last["done"] and index.read_model(place)[0].data is None
    assert index.read_facts(place)["notes"] == ["No folder's name was recognised as a class of this model."]
    _, last = ask(worker, "evaluate", folder, data=None, criterion="dimap")
    assert last["error"].endswith("or by --classes FILE (rows of folder,output).")


def test_what_was_made_of_a_sessions_upload_goes_with_the_session(worker, folder, tmp_path):
    mine = tmp_path / "uploads" / "session-of-a" / "token" / "set"
    mine.parent.mkdir(parents=True)
    folder.rename(mine)
    events, _ = ask(worker, "open", mine, criterion="dimap")
    place = Path(events[-1]["folder"])
    (first, *_), _ = ask(worker, "predictions", mine, data=index.read_model(place)[0].data, criterion="dimap")
    pictures = Path(first["folder"])
    worker.accept({"cancel": "another", "channel": None})
    assert place.exists() and pictures.exists()
    worker.accept({"cancel": "session-of-a", "channel": None})
    assert not place.exists() and not pictures.exists() and not worker.models.images.kept
