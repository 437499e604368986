"""Images that someone chose, in the app: judged by them on every page, told what they are, kept in the link."""

import re

import pytest
from PIL import Image

from dimap_core.data.registry import load_data


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The first 90 digits as PNGs, below an allowed root; folders 8 and 9 have names that no class has."""
    root, data = tmp_path_factory.mktemp("images"), load_data("digits")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIMAP_ROOTS", str(root))
        for number in range(90):
            label = int(data.labels[number])
            place = root / "set" / {8: "eight", 9: "[nine](x)"}.get(label, str(label))
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(data.images[number].transpose(1, 2, 0)).save(place / f"{number}.png")
        yield root / "set"


def test_a_folder_is_judged_among_the_classes_that_it_has_and_hand_set_ones_join(open_app, folder):
    link = {"model": "swin-digits", "criterion": "dimap", "scope": "module", "ratio": "0.8", "data": f"folder:{folder}"}
    app = open_app(**link, n="60").judged()
    assert app.metric(2).endswith("n = 60") and app.url == {**link, "n": "60"}
    assert any("judged on 60 images, among 8 of the model's 10 classes" in text for text in app.texts())
    assert any("2 folders are not judged" in caption.value for caption in app.at.caption)
    app.set("w_count", 50).judged()
    assert app.metric(2).endswith("n = 50") and app.url["n"] == "50"
    by_hand = "eight_8~(nine)(x)_9"
    named = open_app(**link, classes=by_hand).judged()
    assert named.metric(2).endswith("n = 90") and named.url["classes"] == "(nine)(x)_9~eight_8"
    named.page("predictions").until(lambda: "n = 90" in named.metric(2) and "so far" not in named.metric(2), "answers")
    assert named.widget(next(key for key in keys(named) if key.startswith("gallery_class_"))).options[-2:] == ["9", "8"]
    app.set("w_source", "own:digits").judged()
    assert app.metric(2).endswith("n = 540") and "data" not in app.url


def test_folders_in_another_order_are_told_and_put_right_by_a_button_for_good(open_app, folder):
    data, root = load_data("digits"), folder.parent / "letters"
    names = "bcdefghija"  # digit 9 comes first
    for number in range(80):
        place = root / names[data.labels[number]]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(data.images[number].transpose(1, 2, 0)).save(place / f"{number}.png")
    link = {"model": "swin-digits", "ratio": "0.3", "data": f"folder:{root}"}
    app = open_app(**link).judged()
    assert any(text.startswith("Another order of the classes fits the model's answers") for text in app.texts())
    assert any(text.startswith("Another order of") for text in app.page("importance").texts())  # every page says it
    app.page("prune").judged()
    wrong = float(app.metric(2).split()[0])
    app.click("Use that order").judged()
    assert float(app.metric(2).split()[0]) > 90 > 10 > wrong and not any(
        "Another order" in text for text in app.texts()
    )
    assert app.url["classes"] == "~".join(
        f"{name}_{digit}" for digit, name in sorted(enumerate(names), key=lambda p: p[1])
    )
    again = open_app(**app.url).judged()
    assert again.metric(2) == app.metric(2)


def test_which_of_several_splits_judges_is_chosen_and_kept_in_the_link(open_app, folder):
    data, root = load_data("digits"), folder.parent / "splits"
    for number in range(80):
        place = root / ("val" if number < 30 else "test") / str(data.labels[number])
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(data.images[number].transpose(1, 2, 0)).save(place / f"{number}.png")
    app = open_app(model="swin-digits", ratio="0.3", data=f"folder:{root}").judged()
    assert app.metric(2).endswith("n = 30") and "split" not in app.url
    app.set("w_split", "test").judged()
    assert app.metric(2).endswith("n = 50") and app.url["split"] == "test"
    assert any("50 images of test/ (val/ is there too)" in text for text in app.texts())
    assert open_app(**app.url).judged().metric(2) == app.metric(2)
    app.set("w_source", "own:digits").judged()
    assert "split" not in app.url


def test_images_without_labels_show_agreement_and_never_accuracy(open_app, folder):
    data, root = load_data("digits"), folder.parent / "photographs"
    root.mkdir()
    for number in range(70):
        Image.fromarray(data.images[number].transpose(1, 2, 0)).save(root / f"IMG_{number}.png")
    app = open_app(model="swin-digits", ratio="0.3", data=f"folder:{root}").judged()
    assert app.metric(2).endswith("n = 70")
    told = "agreement with the dense model, not accuracy"  # after a colon that Markdown has escaped
    assert any(told in text for text in app.texts())
    app.page("predictions").until(lambda: "n = 70" in app.metric(2) and "so far" not in app.metric(2), "answers")
    assert [metric.label for metric in app.at.metric][2] == "Same answer"
    assert any(told in text for text in app.texts()) and not any("labelled **" in text for text in app.texts())


def keys(app):
    return [box.key or "" for box in app.at.selectbox]


def test_a_folder_is_chosen_by_its_path_and_what_is_refused_leaves_the_last_one(open_app, folder):
    app = open_app(model="swin-digits", ratio="0.8").judged()
    app.set("w_source", "folder:").set("w_folder", str(folder)).judged()
    assert app.url["data"] == f"folder:{folder}" and app.metric(2).endswith("n = 72") and app.notices == []
    app.set("w_criterion", "taylor").until(lambda: app.notices, "a notice")
    assert app.notices[0].startswith("All 72 images of 'set' are judged, so none are left to read; judge fewer")
    assert app.plan.criterion == "dimap" and app.url["data"] == f"folder:{folder}"
    app.set("w_folder", "/etc").until(lambda: app.notices, "a notice")
    assert re.match(r"'/etc' lies outside the folders that may be read", app.notices[0])
    assert app.url["data"] == f"folder:{folder}"


def test_curves_read_images_that_do_not_judge_where_any_are_left(open_app, folder):
    link = {"model": "swin-digits", "ratio": "0.8", "data": f"folder:{folder}"}
    few = open_app(**link, n="60").live().page("importance").set("importance_part", "sensitivity")
    left = re.search(r"read images that are not judged \((\d+)\)", " ".join(few.texts()))
    assert any(f"Top-1, %, on {left[1]} training images" in text for text in few.texts()) and 0 < int(left[1]) < 90
    none = open_app(**link).live().page("importance").set("importance_part", "sensitivity")
    assert any("All of your images judge, and none is left" in text for text in none.texts())
    assert not any(button.label.startswith("Measure") for button in none.at.button)
