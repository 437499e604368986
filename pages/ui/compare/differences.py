"""Which differences are beyond chance, drawn with their intervals. Next door: `standing` has the rows."""

from __future__ import annotations

from html import escape

import streamlit as st

from dimap_core.figures import difference_picture, findings
from dimap_core.types import in_points

from ..look import chart_tools, markup, theme
from .standing import Standing, rows, unpaired

_KEY = "compare_differences"
_WIDTHS = {"wide": 560, "narrow": 330}  # px that words are made for


def draw(first: Standing, second: Standing) -> None:
    """The picture with its finding; a sentence where nothing can be paired."""
    found, why = rows(first, second), unpaired(first, second)
    with st.container(key=_KEY, gap=None, border=True, height="stretch"):
        content = "<h3>Which differences are beyond chance?</h3>"
        if why:
            content += f"<p>{escape(why[:1].upper() + why[1:])}.</p>"
        if found:
            finding = _finding(first, second)
            told = finding or "Each cut against its dense model"
            pictures = "".join(
                f'<div class="{name}">{difference_picture(found, theme.look(), width).svg}</div>'
                for name, width in _WIDTHS.items()
            )
            content += f'<p class="said">{escape(finding)}</p><div class="saved">{pictures}</div>'
        markup.draw("compare_intervals", content)
        if found:
            note = f"In points, paired over the same {found[0].difference.n:,} images, with 95 % intervals."
            given = {"title": told, "note": note, "large": False, "walk": False}
            table = {
                "difference": [row.label for row in found],
                "points": [in_points(row.difference.value) for row in found],
                "from": [in_points(row.difference.low) for row in found],
                "to": [in_points(row.difference.high) for row in found],
                "n": [row.difference.n for row in found],
                "chance": [findings.chance(row.difference) for row in found],
            }
            chart_tools.draw(_KEY, given, table, theme.look().dark)
            st.caption(note)


def _finding(first: Standing, second: Standing) -> str:
    """What the first rows say; "" where nothing is paired."""
    between = f"{second.side.called} − {first.side.called}"
    own = {
        row.label.removeprefix(f"{between}, "): row.difference
        for row in rows(first, second)
        if row.label.startswith(f"{between}, ")
    }
    return findings.beyond(between, own) if own else ""
