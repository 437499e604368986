"""Against the measured truth: every head, every tenth of hidden units left out alone, and who foretold what it costs.

The same measurement as on Importance, which all sessions share. Next door: `dimap_core.studies` measures and compares.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st
from pydantic import TypeAdapter

from dimap_core.criteria import criterion
from dimap_core.figures import agreement as figures, findings
from dimap_core.service import Ticket
from dimap_core.studies import agreement, pieces
from dimap_core.types import Correlation, Effect

from ..look import formats, theme
from ..parts import waiting
from ..session import View, cache, opening, polling, requests, state

_ASKED = "dimap", "taylor"
_CHANNEL, _REQUEST = "truth", {"kind": "truth"}
_EFFECTS = TypeAdapter(list[Effect])


def draw(view: View, say: Callable[..., str], locked: bool = False) -> dict[str, Any]:
    """A button that measures, how far it is, then a scatter for each criterion.

    Returns as facts, once all is measured, `dimap_foretold`, `taylor_foretold` with `_low` and `_high` (rank
    correlations with the rise in loss), `pieces`, and `clear`, how many rises lie clear of zero.
    """
    setting = state.current()
    places = [opening.folder(setting, key) for key in _ASKED]
    if None in places:
        waiting.wait_for(_ASKED[places.index(None)])
        return {}
    ticket = requests.known(view, _CHANNEL, _REQUEST)
    if ticket is None or ticket.error:
        if ticket is not None:
            st.error(formats.plain(ticket.error or ""))
        st.button(say("truth_measure"), key="lesson_measure", type="primary", disabled=locked, on_click=_start,
                  args=(view,))  # fmt: skip
        return {}
    if ticket.running:
        polling.polled(_progress)(view, ticket, say)
        return {}
    effects = _EFFECTS.validate_python([event for event in ticket.events if "left" in event])
    found = {key: _foretold(view, places[0], key, effects) for key in _ASKED}
    facts: dict[str, Any] = {"pieces": len(effects), "clear": sum(effect.rise.low > 0 for effect in effects)}
    for key, known in found.items():
        facts |= {f"{key}_foretold": known.value, f"{key}_foretold_low": known.low, f"{key}_foretold_high": known.high}
    return facts


def _start(view: View) -> None:
    requests.stream(view, _CHANNEL, _REQUEST)


def _progress(view: View, ticket: Ticket, say: Callable[..., str]) -> None:
    """How far the measurement is; the page is drawn anew once it has ended."""
    polling.ended(ticket, True)
    total, events = len(list(pieces(view.anatomy))), [event for event in ticket.events if "left" in event]
    left = f"{events[-1]['left']:.0f}" if events else "–"
    st.progress(min(len(events) / total, 1.0), say("truth_running", done=len(events), of=total, left=left))


def _foretold(view: View, place: str | None, key: str, effects: list[Effect]) -> Correlation:
    """A criterion's scatter and its rank correlation."""
    assert place is not None
    plan, label = state.current().plan, criterion(key).label
    names = [agreement.piece_name(view.anatomy, effect.piece) for effect in effects]
    scores = cache.scores(place, key, plan.seed, "structure", plan.images)
    predicted = agreement.foretold(scores, view.anatomy, [effect.piece for effect in effects])
    found = agreement.with_truth(predicted, effects)["all"]
    assert found is not None
    theme.chart(
        figures.truth_scatter(predicted, effects, names, label, theme.look()), f"truth_{key}",
        f"Rank by {label} against rank by measured rise in loss", findings.foretold(found, label),
    )  # fmt: skip
    return found
