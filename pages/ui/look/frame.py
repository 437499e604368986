"""The frame that app.py draws around every page: the list of pages, the heading, the way past them by keyboard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import streamlit as st


@dataclass(frozen=True)
class Page:
    """A row of the list: pages/`key`.py, at the address /`key`, called `title` in the bar, headed by `sentence` ("": it
    has a heading of its own).

    `bar`: whether it stands there; `cut`: whether it is about the setting, which then stands in its address, and `line`
    in a line above it.
    """

    key: str
    title: str
    sentence: str
    bar: bool = True
    cut: bool = True
    line: bool = True


LEARN, PRESENT = "Learn", "Present"
PAGES = (
    Page("prune", "Prune", "Cut parts out of a real vision transformer and see at once what it costs in accuracy."),
    Page("weights", "Weights", "How are the weights distributed, and which does the cut remove?"),
    Page("importance", "Importance", "Which parts of the model matter most, and do the criteria agree?"),
    Page("predictions", "Predictions", "Which images does the cut model answer differently, and why?"),
    Page("way", "Way", "Where in the network does an image get lost?"),
    Page("find", "Find", "What is the best cut for this budget?"),
    Page("recover", "Recover", "Can training bring back what the cut has lost?"),
    Page("compare", "Compare", "", line=False),
    Page("sweep", "Sweep", "Which way of cutting keeps most, over many cuts?"),
    Page("learn", LEARN, "Learn what pruning does to a vision transformer, by doing it."),
    Page("export", "Export", "How do I take the cut model home?"),
    Page("present", PRESENT, "", bar=False, line=False),
    Page("teachers", "For teachers", "", bar=False, cut=False),
    Page("board", "Class board", "", bar=False, cut=False),
)
"""In the bar's order; the first is the one that the bare address opens. To add one: a file in pages/ and a row."""


_CSS = """
<style>
[data-testid=stHeading] h1 { font-size: 1.625rem; line-height: 1.25; padding: 0 0 0.4rem; }
.unseen { position: absolute; width: 1px; height: 1px; margin: 0; padding: 0; overflow: hidden; clip-path: inset(50%); }
[data-testid=stElementContainer]:has(#content) { position: absolute; }
#skip { position: fixed; left: 0.5rem; top: -4rem; z-index: 1000001; padding: 0.6rem 1rem; border-radius: 6px;
  background: #0067A3; color: #FFFFFF; }
#skip:focus { top: 0.5rem; }
body:has(> #skip) [data-testid=stSkipToContent] { display: none; }  /* one such link is enough */
[data-testid=stHeading] h3 { font-size: 1.125rem; padding: 0.25rem 0; }
@media (max-width: 1400px) { [data-testid=stHeading] h1 { font-size: 1.5rem; } }
@media (max-width: 640px) { [data-testid=stHeading] h1 { font-size: 1.25rem; } }
</style>
"""

# As the first of the body, outside what Streamlit draws: nothing of a page comes before the bar in the tab order.
_SKIP = """
<script>
if (!document.getElementById("skip")) {
  const link = document.createElement("a");
  Object.assign(link, { id: "skip", href: "#content", textContent: "Skip to the page" });
  link.addEventListener("click", (event) => {
    event.preventDefault();
    document.getElementById("content")?.focus();
  });
  document.body.prepend(link);
  // An error that Streamlit catches nowhere leaves nothing of a page. Its address has all to draw it once more.
  const root = document.getElementById("root"), BETWEEN = 20000;
  const look = () => {
    if (root.childElementCount || Date.now() - (sessionStorage.dimapVanished ?? 0) < BETWEEN) return;
    sessionStorage.dimapVanished = Date.now();
    location.reload();
  };
  if (root) new MutationObserver(() => setTimeout(look, 300)).observe(root, { childList: true });
}
</script>
"""


def navigation() -> Any:
    """The pages as the bar at the top; returns the one that was asked for.

    They have no icons: the browser would fetch a page's icon from a font server, and nothing is asked outside.
    """
    first, *others = PAGES
    shown = [
        st.Page(f"pages/{row.key}.py", title=row.title, url_path=row.key, visibility="visible" if row.bar else "hidden")
        for row in others
    ]
    return st.navigation([st.Page(f"pages/{first.key}.py", title=first.title, default=True), *shown], position="top")


def row_of(page: Any) -> Page:
    """The list's row of a page of Streamlit's."""
    return next(row for row in PAGES if row.title == page.title)


def heading(page: Any, instead: str = "") -> None:
    """The page's question as the one h1, or what it says instead, and before all else a link to the page's own part,
    for keyboards."""
    st.html(_CSS)
    if sentence := instead or row_of(page).sentence:
        st.title(sentence, anchor=False)


def content() -> None:
    """Where the page's own part begins, which the link leads to."""
    st.html(f'<h2 id="content" class="unseen" tabindex="-1">Findings</h2>{_SKIP}', unsafe_allow_javascript=True)


def enter() -> None:
    """Until st.navigation was called once on a server, Streamlit runs a file in pages/ without app.py: start over."""
    if "setting" not in st.session_state:
        navigation()
        st.rerun()
