"""The plan of the class as a table, minute by minute."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

import streamlit as st

from dimap_core.studies import PlanRow, class_plan

from .words import language, word


def draw() -> None:
    """Minutes, what is done, and what the teacher does meanwhile."""
    st.header(word("plan"), anchor=False)
    st.html(f'<div class="teachers-plan">{table()}</div>{_STYLE}')
    st.caption(word("rest"))


def parts() -> Iterator[tuple[int, PlanRow]]:
    """Each part with the minute that it begins at."""
    begins = 0
    for row in class_plan():
        yield begins, row
        begins += row.minutes


def table() -> str:
    """The plan as an HTML table."""
    head = "".join(f"<th scope=col>{escape(word(key))}</th>" for key in ("minute", "what", "doing"))
    rows = "".join(
        f"<tr><td>{begins}–{begins + row.minutes}</td><th scope=row>{escape(named(row))}</th>"
        f"<td>{escape(row.doing[language()])}</td></tr>"
        for begins, row in parts()
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def named(row: PlanRow) -> str:
    """A part's title, with the number of its lesson."""
    title = row.title[language()]
    return f"{row.lesson} · {title}" if row.lesson else title


_STYLE = """
<style>
.st-key-teachers_page [data-testid=stHeading] h2 { font-size: 1.125rem; padding: 0.25rem 0; }
.teachers-plan table { border-collapse: collapse; font-size: 0.9375rem; }
.teachers-plan :is(td, th) { text-align: left; vertical-align: top; padding: 0.4rem 0.8rem 0.4rem 0;
  border-bottom: 1px solid var(--line); font-weight: 400; }
.teachers-plan thead th { color: var(--muted); font-size: 0.8125rem; }
.teachers-plan tbody th { font-weight: 600; }
.teachers-plan td:first-child { white-space: nowrap; font-variant-numeric: tabular-nums; color: var(--muted); }
</style>
"""
