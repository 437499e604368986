"""The four numbers: nothing is said of accuracy on so few images that it only jumps."""

import pytest


@pytest.mark.parametrize(
    ("n", "total", "value", "below", "bar"),
    [
        (8, 1080, "–", "so far, n = 8", 12),
        (63, 64, "–", "so far, n = 63", 98),
        (64, 1080, "100.0 %", "94.3 to 100.0, so far, n = 64", None),
        (8, 40, "–", "so far, n = 8", 20),
        (40, 40, "100.0 %", "91.2 to 100.0, n = 40", None),
    ],
)
def test_no_number_before_64_images_where_more_will_come(drawn, monkeypatch, n, total, value, below, bar):
    monkeypatch.setenv("JUDGED", f"{n} {total}")

    def page():
        import os

        from dimap_core.measure import wilson
        from dimap_core.types import AccuracyEstimate, Part
        from pages.ui.parts import metrics
        from pages.ui.session import state

        state.start()
        n, total = map(int, os.environ["JUDGED"].split())
        metrics.draw(Part(10, 10, 5, 5), AccuracyEstimate(n, total, {"joint": wilson(n, n)}, None), "joint")

    shown = drawn(page)
    assert (shown.metric[2].value, shown.metric[2].delta) == (value, below)
    bars = [element.proto.value for element in shown.get("progress")]
    assert bars == ([] if bar is None else [bar])
