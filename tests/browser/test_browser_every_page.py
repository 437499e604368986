"""Every page in light and dark: no error, no sideways scrolling on a phone, nothing that axe-core finds serious."""

import pytest

pytestmark = pytest.mark.browser

LAST = {"Prune": "kept", "Weights": "blocks", "Importance": "agreement"}  # each page's last figure
DESK, PHONE = {"width": 1280, "height": 1000}, {"width": 390, "height": 844}
GROUND = {"light": "rgb(255, 255, 255)", "dark": "rgb(15, 20, 25)"}
# How far anything reaches beyond the right edge, also in the part that scrolls.
OVERHANG = """() => Math.max(...document.querySelectorAll('html, [data-testid=stMain]').values()
  .map(part => part.scrollWidth - part.clientWidth))"""


def serious(screen):
    """axe-core's findings of serious or critical impact."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(screen.settled().page).response["violations"]
    return [
        f"{finding['id']}: {node['html'][:160]} ({node['failureSummary']})"
        for finding in found
        if finding["impact"] in ("serious", "critical")
        for node in finding["nodes"]
    ]


@pytest.mark.parametrize("scheme", GROUND)
def test_every_page_is_accessible_and_fits_a_phone(visit, scheme):
    screen = visit("", {"color_scheme": scheme}, model="swin-digits").live()
    ground = "getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor"
    assert screen.page.evaluate(ground) == GROUND[scheme]
    for page, figure in LAST.items():
        screen.page.get_by_role("link", name=page).click()
        screen.page.locator(f".st-key-{figure} .main-svg").first.wait_for()
        assert serious(screen) == []
        screen.page.set_viewport_size(PHONE)
        screen.until("innerWidth === 390").page.wait_for_timeout(300)  # figures are laid out anew
        assert screen.page.evaluate(OVERHANG) <= 0, page
        assert serious(screen) == []
        screen.check()
        screen.page.set_viewport_size(DESK)


@pytest.mark.parametrize("scheme", GROUND)
def test_the_controls_in_every_form_are_accessible(visit, scheme):
    screen = visit("weights", {"color_scheme": scheme}, model="swin-digits", scope="bogus")
    screen.notice()
    screen.page.get_by_text("Recipe", exact=True).click()
    for mode, key in (
        ("a ratio per stage", "w_stage_0"),
        ("a ratio per stage × module", "w_cell_0_QKV-M"),
        ("a budget", "w_kind"),
    ):
        screen.choose("w_mode", mode).widget(key).wait_for()
        assert serious(screen) == []
