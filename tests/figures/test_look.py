"""The tokens: words can be read on every ground, the theme of the pages is the figures', modules look alike."""

import tomllib
from pathlib import Path

import pytest

from dimap_core.figures.look import EDGES, FILLS, INK, Look
from dimap_core.types.model import MODULES, PRUNABLE_MODULES

WORDS = ("ink", "muted", "cut_text", "reference", "action", "done")
GROUNDS = ("ground", "panel", "soft")
THEMES = {"light": 0, "dark": 1}
ROOT = Path(__file__).resolve().parents[2]


def luminance(color):
    """WCAG 2.1's relative luminance of #RRGGBB."""
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_wcags():
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.005)


@pytest.mark.parametrize("dark", THEMES.values(), ids=THEMES)
@pytest.mark.parametrize("ground", GROUNDS)
@pytest.mark.parametrize("words", WORDS)
def test_all_words_can_be_read_on_every_ground(words, ground, dark):
    assert contrast(INK[words][dark], INK[ground][dark]) >= 4.5


@pytest.mark.parametrize("dark", THEMES.values(), ids=THEMES)
def test_numbers_can_be_read_on_the_ramps_that_lie_under_them_and_edges_be_seen(dark):
    for end in ("low", "high", "worse"):
        assert contrast(INK["ink"][dark], INK[end][dark]) >= 4.5
    for column in FILLS:
        assert contrast(EDGES[column][dark], INK["ground"][dark]) >= 3


@pytest.mark.parametrize(("name", "dark"), THEMES.items())
def test_the_pages_theme_is_made_of_the_figures_tokens(name, dark):
    theme = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["theme"]
    told = {**theme, **theme[name]}
    wanted = {"primaryColor": "action", "backgroundColor": "ground", "secondaryBackgroundColor": "panel",
              "textColor": "ink", "borderColor": "line", "linkColor": "action"}  # fmt: skip
    assert {key: told[key] for key in wanted} == {key: INK[token][dark] for key, token in wanted.items()}


def test_a_kind_looks_like_the_module_that_it_is_cut_from_and_modules_look_unlike():
    for look in (Look(), Look(dark=True)):
        assert {look.fill(kind) for kind in ("mlp_neuron", "MLP-M")} == {look.fill("MLP-M")}
        assert (look.fill("qk_dim"), look.fill("v_dim")) == (look.fill("QKV-M"), look.fill("PRJ-M"))
        assert len({look.fill(name) for name in (*MODULES, "head")}) == 5
        assert all(look.edge(name) != look.fill(name) for name in PRUNABLE_MODULES)
