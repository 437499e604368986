"""Names of models: one rule reads them, and what is read is written back letter by letter."""

import pytest
from hypothesis import given, strategies as st

from dimap_core.types.folders import is_file, is_folder
from dimap_core.types.model_name import ModelName, timm_name, untagged

DEIT = "deit_tiny_patch16_224"
TOKEN = "0123456789abcdef" * 2


@pytest.mark.parametrize(
    ("text", "kind", "what", "architecture"),
    [
        ("swin-textured", "plain", "swin-textured", ""),
        (f"{DEIT}.fb_in1k", "plain", f"{DEIT}.fb_in1k", ""),
        (f"timm/{DEIT}.fb_in1k", "plain", f"timm/{DEIT}.fb_in1k", ""),
        ("runs/checkpoint", "plain", "runs/checkpoint", ""),
        ("", "plain", "", ""),
        ("a.pth", "plain", "a.pth", ""),
        (f"a.pth@{DEIT}", "plain", "a.pth", DEIT),
        ("a@b.pth", "plain", "a@b.pth", ""),
        (f"a@b.pth@{DEIT}", "plain", "a@b.pth", DEIT),
        ("file:/x/a.pth", "file", "/x/a.pth", ""),
        (f"file:/x/a.pth@{DEIT}", "file", "/x/a.pth", DEIT),
        ("file:/x/a.pth@?mean=0.5&std=0.5", "file", "/x/a.pth", "?mean=0.5&std=0.5"),
        ("file:/x/me@home/a.pth", "file", "/x/me@home/a.pth", ""),
        (f"file:/x/me@home/a@b.pth@{DEIT}", "file", "/x/me@home/a@b.pth", DEIT),
        ("file:/x/a.pth@", "file", "/x/a.pth@", ""),
        ("file:@x", "file", "@x", ""),
        (f"upload:{TOKEN}", "upload", TOKEN, ""),
        (f"upload:{TOKEN}@{DEIT}", "upload", TOKEN, DEIT),
        (f"upload:{TOKEN}@timm/{DEIT}.fb_in1k", "upload", TOKEN, f"timm/{DEIT}.fb_in1k"),
        (f"file:upload:{TOKEN}", "file", f"upload:{TOKEN}", ""),
    ],
)
def test_a_name_is_read_without_the_disk(text, kind, what, architecture):
    name = ModelName.parse(text)
    assert name == ModelName(kind, what, architecture) and str(name) == text
    assert name.brought == (kind != "plain")


@pytest.mark.parametrize(
    ("there", "text", "what", "architecture"),
    [
        ("a.pth", f"a.pth@{DEIT}.fb_in1k", "a.pth", f"{DEIT}.fb_in1k"),  # a tag has a dot
        ("a.pth", f"a.pth@timm/{DEIT}", "a.pth", f"timm/{DEIT}"),  # and a hub's name a slash
        ("model@v2", "model@v2", "model@v2", ""),  # the path's own @, though it looks like an architecture's
        ("model@v2", f"model@v2@{DEIT}", "model@v2", DEIT),
        ("a@b.pth", "a@b.pth", "a@b.pth", ""),
        ("a@b.pth", f"a@b.pth@{DEIT}.fb_in1k", "a@b.pth", f"{DEIT}.fb_in1k"),
        ("me@home/a.pth", "me@home/a.pth", "me@home/a.pth", ""),
    ],
)
@pytest.mark.parametrize("prefix", ["", "file:"])
def test_where_the_disk_may_be_asked_it_tells_which_at_is_the_paths_own(there, text, what, architecture, prefix):
    name = ModelName.parse(prefix + text, {there}.__contains__)
    assert (name.what, name.architecture, str(name)) == (what, architecture, prefix + text)


def test_of_two_files_the_longer_path_is_meant():
    assert ModelName.parse("a@b", {"a", "a@b"}.__contains__) == ModelName("plain", "a@b")


def test_for_an_upload_and_without_an_at_the_disk_is_not_asked():
    def asked(path):
        raise AssertionError(path)

    for text in (f"upload:{TOKEN}@{DEIT}", "file:/x/a.pth", "swin-digits"):
        assert ModelName.parse(text, asked) == ModelName.parse(text)


texts = st.text(st.sampled_from("a@/.:fileuploadtm"), max_size=12)


@given(st.sampled_from(["", "file:", "upload:"]), texts, st.sets(texts))
def test_every_text_is_written_back_as_it_was(prefix, text, files):
    for name in (ModelName.parse(prefix + text), ModelName.parse(prefix + text, files.__contains__)):
        assert str(name) == prefix + text
        assert ModelName.parse(str(name), files.__contains__) == ModelName.parse(prefix + text, files.__contains__)


def test_hubs_prefixes_and_tags_are_taken_off():
    assert timm_name(f"timm/{DEIT}.fb_in1k") == timm_name(f"{DEIT}.fb_in1k") == f"{DEIT}.fb_in1k"
    assert untagged(f"timm/{DEIT}.fb_in1k") == untagged(DEIT) == DEIT
    assert untagged(f"{DEIT}.fb_in1k?img_size=96") == f"{DEIT}?img_size=96"


def test_what_cannot_be_a_path_is_neither_file_nor_folder(tmp_path):
    (tmp_path / "a").touch()
    assert is_file(str(tmp_path / "a")) and is_folder(str(tmp_path)) and not is_folder(str(tmp_path / "a"))
    for text in ("", "x" * 5000, "a\0b", str(tmp_path / "b")):
        assert not is_file(text) and not is_folder(text)
