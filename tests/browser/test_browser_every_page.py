"""Every page in light and dark: no error, no sideways scrolling on a phone, nothing that axe-core finds serious."""

import pytest

pytestmark = pytest.mark.browser

FIGURES = {"": "kept", "weights": "blocks", "importance": "agreement"}
PHONE = {"width": 390, "height": 844}
# How far anything reaches beyond the right edge, scrollable parts inside included.
OVERHANG = """() => Math.max(...[document.documentElement, ...document.querySelectorAll('[data-testid=stMain]')]
  .map(part => part.scrollWidth - part.clientWidth))"""


def serious(screen):
    """axe-core's findings of serious or critical impact."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(screen.page).response["violations"]
    return [
        f"{finding['id']}: {node['html'][:160]} ({node['failureSummary']})"
        for finding in found
        if finding["impact"] in ("serious", "critical")
        for node in finding["nodes"]
    ]


@pytest.mark.parametrize("page", FIGURES, ids=["prune", "weights", "importance"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_is_accessible_and_fits_a_phone(visit, scheme, page):
    screen = visit(page, {"color_scheme": scheme}, model="swin-digits").live()
    screen.page.locator(f".st-key-{FIGURES[page]} .main-svg").first.wait_for()
    screen.settled()
    dark = screen.page.evaluate("getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor")
    assert dark == ("rgb(15, 20, 25)" if scheme == "dark" else "rgb(255, 255, 255)")
    assert serious(screen) == []
    screen.page.set_viewport_size(PHONE)
    screen.until("innerWidth === 390").settled()
    screen.page.wait_for_timeout(300)  # figures are laid out anew after the resize
    assert screen.page.evaluate(OVERHANG) <= 0
    assert serious(screen) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_controls_in_every_form_are_accessible(visit, scheme):
    screen = visit("", {"color_scheme": scheme}, model="swin-digits", scope="bogus")
    screen.notice()
    screen.page.get_by_text("Recipe", exact=True).click()
    for mode, key in (
        ("a ratio per stage", "w_stage_0"),
        ("a ratio per stage × module", "w_cell_0_QKV-M"),
        ("a budget", "w_kind"),
    ):
        screen.choose("w_mode", mode)
        screen.widget(key).wait_for()
        assert serious(screen.settled()) == []
