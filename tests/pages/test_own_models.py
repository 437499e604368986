"""Models that people bring: a checkpoint file works on every page, and what cannot be opened leaves ways on."""

import json
import shutil

import pytest
import timm
import torch

from dimap_core import pipeline
from dimap_core.types.errors import DataError, PruningError
from dimap_core.types.folders import ASSETS
from dimap_core.types.plan import PruningPlan
from pages.ui.session import cache, own_models
from tests.pages.test_recipe_line import typed


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder that may be read, with a file of its own in it."""
    monkeypatch.setenv("DIMAP_ROOTS", str(tmp_path))
    shutil.copy(ASSETS / "swin-digits.safetensors", tmp_path / "my *first* model_1.safetensors")
    return tmp_path


def test_a_file_is_judged_and_drawn_on_every_page(open_app, folder):
    link = f"file:{folder}/my *first* model_1.safetensors"
    app = open_app(model=link, ratio="0.5").judged()
    assert app.url["model"] == link and app.notices == []
    assert "n = 540" in app.metric(2) and "1.51 M" in app.metric(0)
    assert "[my *first* model_1.safetensors]" in app.sentence and app.sentence.endswith("judge on [digits]")
    assert any(text.startswith("(swin-digits, 32 px)") for text in app.texts())
    assert app.feed["plot"]["current"]
    for page in ("weights", "importance", "predictions", "export"):
        app.page(page)
        assert app.notices == []


def test_stages_are_counted_and_called_as_in_the_model_that_was_brought(open_app, folder):
    small = {"img_size": 64, "embed_dim": 24, "depths": (1, 1, 2), "num_heads": (1, 2, 4), "window_size": 4}
    swin = timm.create_model("swin_tiny_patch4_window7_224", num_classes=10, **small)
    torch.save(swin.state_dict(), folder / "mine.pth")
    app = open_app(model=f"file:{folder}/mine.pth", ratio="0.5").live()
    app.set("w_mode", "stages").live()
    assert [app.widget(f"w_stage_{stage}").label for stage in range(3)] == ["Stage 1", "Stage 2", "Stage 3"]
    app.set("w_stage_1", 60.0).live()
    assert [cell for cell, _ in app.plan.overrides] == [(stage, None) for stage in range(3)] and app.notices == []
    app.set("w_mode", "grid").live().set("w_cell_2_MLP-M", "30").live()
    assert {stage for (stage, _), _ in app.plan.overrides} == {0, 1, 2} and app.notices == []
    assert app.widget("w_cell_2_MLP-M").label == "Stage 3, MLP-M, %"


def test_a_file_outside_the_allowed_folders_is_not_looked_at(open_app, folder):
    for path in ("/etc/passwd", f"{folder}/../outside.pth"):
        app = open_app(model=f"file:{path}")
        app.until(lambda app=app: app.notices, "a notice")
        assert "outside the folders that may be read" in app.notices[0]
        assert app.url["model"] == "swin-textured"


def test_no_at_in_a_name_leads_out_of_the_allowed_folders(folder, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "a.pth"
    outside.touch()
    (folder / "link@v2").symlink_to(outside)
    (folder / "link").touch()
    for name in (f"{folder}/link@v2", f"{outside}@swin-digits", f"{outside}@a/b"):
        with pytest.raises(DataError, match="outside the folders that may be read"):
            own_models.place(f"file:{name}")
    (folder / "mine@v2").touch()
    named = f"file:{folder}/mine@v2@deit_tiny_patch16_224.fb_in1k"
    assert own_models.place(named) == named and own_models.place(f"file:{folder}/mine@v2") == f"file:{folder}/mine@v2"


def test_an_upload_of_another_session_is_not_found(open_app):
    app = open_app(model="upload:" + "0" * 32)
    app.until(lambda: app.notices, "a notice")
    assert app.notices == ["That uploaded file is no longer here; upload it again."]
    app.live()


def test_when_weights_do_not_tell_the_architecture_it_can_be_chosen(open_app, folder):
    model = timm.create_model("deit_tiny_patch16_224", img_size=32, embed_dim=48, depth=2, num_heads=3)
    torch.save(model.state_dict(), folder / "a.pth")
    app = open_app(model=f"file:{folder}/a.pth")
    app.until(lambda: app.notices, "a notice")
    assert "number of heads" in app.notices[0]
    app.set("way_architecture", "deit_tiny_patch16_224").live()
    assert app.url["model"] == f"file:{folder}/a.pth@deit_tiny_patch16_224" and app.notices == []
    assert "no images to judge by" in app.metric(2)
    assert any("a trained model and images" in text for text in app.texts())
    assert app.widget("w_architecture-deit_tiny_patch16_224").value == "deit_tiny_patch16_224"


def test_without_hub_and_cache_random_weights_are_one_click_away(open_app):
    name = "deit_tiny_distilled_patch16_224.fb_in1k"
    app = open_app(model=name)
    app.until(lambda: app.notices, "a notice")
    assert "no model hub was reached" in app.notices[0]
    app.click("Count with random weights").live()
    assert (app.url["model"], app.url["weights"]) == (name, "random")
    assert "5.91 M" in app.metric(0) and app.notices == []
    assert any("pretrained on ImageNet-1k" in caption.value for caption in app.at.caption)


def test_code_in_a_file_is_one_sentence(open_app, folder):
    class Code:
        def __reduce__(self):
            return open, (str(folder / "ran"), "w")

    torch.save({"model": Code()}, folder / "code.pth")
    app = open_app(model=f"file:{folder}/code.pth")
    app.until(lambda: app.notices, "a notice")
    assert "holds no state dict" in app.notices[0] and not (folder / "ran").exists()
    app.live()


def test_uploaded_files_are_opened_kept_for_the_session_and_gone_with_it(open_app):
    app = open_app(model="swin-digits").live()
    for name, source in (("mine.pth", "deit-digits"), ("other.pth", "swin-digits")):
        content = (ASSETS / f"{source}.safetensors").read_bytes()
        uploader = next(found for found in app.at.file_uploader if found.label == "Checkpoint file")
        uploader.set_value((name, content, "application/octet-stream"))
        app.run().live()
        assert app.url["model"].startswith("upload:") and app.notices == []
        assert f"[{name}]" in app.sentence
        assert any(text.startswith(f"({source}, ") for text in app.texts()), app.texts()
        # Streamlit's own copy in memory is gone, and the uploader is empty again.
        assert next(found for found in app.at.file_uploader if found.label == "Checkpoint file").value is None
    kept = next(found for found in app.at.selectbox if found.label == "Uploaded")
    assert list(kept.options) == ["1. mine.pth", "2. other.pth"] and kept.value == app.url["model"]
    kept.select_index(0).run()
    app.live()
    assert "[mine.pth]" in app.sentence and any(text.startswith("(deit-digits, ") for text in app.texts())
    token = app.url["model"].removeprefix("upload:")
    uploads = cache.shared().uploads
    session = next(session for session in uploads._kept if token in uploads._kept[session])
    path = uploads.find(session, token).path
    assert path.exists()
    cache.shared().cancel(session)
    assert not path.exists()


def test_where_the_temporary_folder_has_little_room_it_says_how_large_an_upload_may_be(open_app, monkeypatch):
    monkeypatch.setattr("pages.ui.recipe_line.checkpoint.room_left", lambda most: 128)
    app = open_app(model="swin-digits")
    assert any("only for files up to 128 MiB" in text and "TMPDIR" in text for text in app.notices), app.notices
    monkeypatch.setattr(cache, "shared", refused)
    assert [error.value for error in app.at.run().error] == ["There is no folder for temporary files."]


def refused():
    raise PruningError("There is no folder for temporary files.")


def test_what_weights_do_not_tell_is_asked_with_the_likely_value(open_app, folder):
    model = timm.create_model("deit_tiny_patch16_224", img_size=32, embed_dim=128, depth=2, num_heads=2)
    torch.save(model.state_dict(), folder / "a.pth")
    app = open_app(model=f"file:{folder}/a.pth")
    app.until(lambda: app.notices, "a notice")
    assert app.widget("way_num_heads").value == 2
    app.click("Open with these").live()
    assert app.url["model"] == f"file:{folder}/a.pth@?num_heads=2" and app.notices == []


def test_how_pictures_are_given_is_told_and_can_be_said(open_app, folder):
    path = f"file:{folder}/my *first* model_1.safetensors"
    app = open_app(model=path, ratio="0.5").judged()
    before = app.metric(2)
    assert any("10 classes, 32 px" in text and "mean and std 0.5" in text for text in app.texts())
    app.set("w_colours", "as they are (0 and 1)").judged()
    assert app.url["model"] == f"{path}@?mean=0,0,0&std=1,1,1" and app.metric(2) != before
    assert "[my *first* model_1.safetensors]" in app.sentence
    app.set("w_crop_pct", 50.0).judged()
    assert app.url["model"] == f"{path}@?mean=0,0,0&std=1,1,1&crop_pct=0.5"
    recipe = json.loads(next(block.value for block in app.at.code if '"version"' in block.value))
    assert recipe["reading"] == "?mean=0,0,0&std=1,1,1&crop_pct=0.5" and "model" not in recipe
    app.click("As learned").judged()
    assert app.url["model"] == path and app.metric(2) == before


def test_a_path_that_is_typed_opens_and_so_does_what_prune_wrote(open_app, folder):
    app = open_app(model="swin-digits").live()
    typed(app, f"{folder}/my *first* model_1.safetensors").live()
    assert app.url["model"] == f"file:{folder}/my *first* model_1.safetensors" and app.notices == []
    opened = pipeline.open_model("deit-digits")
    pipeline.save_pruned(folder / "cut", opened, PruningPlan(ratio=0.5, granularity="structure"))
    typed(app, str(folder / "cut")).judged()
    assert app.url["model"] == f"file:{folder}/cut" and "n = 540" in app.metric(2)
    typed(app, "/etc/passwd")
    app.until(lambda: app.notices, "a notice")
    assert "outside the folders that may be read" in app.notices[0]
