"""The feed: brings answers to the browser, of each only what changed since the last one that the browser says it holds,
and hears its moves, looks and clicks; a part of the page that holds nothing else, so that little is sent.

Next door: `answer` has what is sent, live_tools.js puts it together again, `moves` takes a move.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from ..session import state

KEY = "live_answer"
_SCRIPT = 'export default (news) => { window.dimapNews = news; window.dispatchEvent(new CustomEvent("dimap-feed")); }'
_KEPT = 40  # answers that a browser may still hold; of an older one it is sent the whole


def send(
    data: dict[str, Any], on_move: Callable[[], None] | None = None, on_back: Callable[[], None] | None = None
) -> None:
    """Send an answer to where it is drawn."""
    st.components.v2.component("dimap_feed", html="<i></i>", js=_SCRIPT)(
        key=KEY, data=_news(data), height=1, on_look_change=_looked, on_move_change=on_move or _looked,
        on_back_change=on_back or _looked,
    )  # fmt: skip


def heard(event: str) -> Any:
    """What the browser said of that kind, if anything."""
    return state.heard(KEY, event)


def held(beat: Any) -> None:
    """The browser says which answer it has; 0: none."""
    if isinstance(beat, int) and (beat == 0 or beat in st.session_state.get("answers", {})):
        st.session_state.answer_held = beat


def _looked() -> None:
    held(heard("look"))


def _news(data: dict[str, Any]) -> dict[str, Any]:
    """`patch`: what of the answer differs from the answer `base` (0: the empty one), which makes it number `beat`."""
    answers: dict[int, dict[str, Any]] = st.session_state.setdefault("answers", {})
    base = st.session_state.get("answer_held", 0)
    beat = st.session_state.beat = st.session_state.get("beat", 0) + 1
    news = {"base": base if base in answers else 0, "beat": beat, "patch": difference(answers.get(base, {}), data)}
    answers[beat] = data
    st.session_state.answers = {at: one for at, one in answers.items() if at >= base and at > beat - _KEPT}
    return news


def difference(old: Mapping[Any, Any], new: Mapping[Any, Any]) -> dict[Any, Any]:
    """What makes `new` of `old`, mappings within mappings too; what is no longer there is None."""
    changed = {
        key: difference(old[key], value) if isinstance(value, Mapping) and isinstance(old.get(key), Mapping) else value
        for key, value in new.items()
        if key not in old or old[key] != value
    }
    return changed | dict.fromkeys(key for key in old if key not in new)
