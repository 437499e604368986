"""Against the measured truth: what leaving a head or a tenth of hidden units out costs, and who saw it coming."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import streamlit as st
from pydantic import TypeAdapter

from dimap_core.criteria import criterion
from dimap_core.figures import agreement as figures, findings
from dimap_core.service import Ticket
from dimap_core.studies import IMAGES, agreement, piece_passes, pieces
from dimap_core.types import Difference, Effect, percentiles

from ..look import TERMS, theme
from ..parts import header, waiting
from ..session import Setting, View, cache, opening, polling, state
from . import measurements

_EFFECTS = TypeAdapter(list[Effect])
_BATCH = 25  # pieces between two drawings while they come in
Pair = tuple[str, str]


def draw(view: View, pair: Pair) -> None:
    """What leaving one head or tenth out really costs, and how well both criteria foretell it."""
    st.subheader("Against the measured truth", anchor=False, help=f"{TERMS['leave-one-out']} {TERMS['tenth']}")
    if not view.judged:
        header.not_judged(view, "The measured truth needs")
        return
    unable = [key for key in pair if "structure" not in criterion(key).scores]
    if unable:
        st.info(f"{name(unable[0])} scores single weights only, so it foretells nothing of whole heads; pick another.")
        return
    total = len(list(pieces(view.anatomy)))
    st.caption(
        f"Each of {total} pieces, one head or one tenth of a block's hidden units, is left out alone: how much does "
        f"the loss on {IMAGES} validation images rise, and did the criterion see it coming?"
    )
    ticket = measurements.offer(view, "truth", {"kind": "truth"}, "Measure", IMAGES * piece_passes(view.anatomy))
    if ticket is None:
        return
    plan = replace(state.current().plan, granularity="structure")
    place = scored(pair, replace(state.current(), plan=plan))
    if place is not None:
        part = polling.polled(_truth, ticket.running, measurements.POLL)
        part(view, ticket, place, pair, total, ticket.running)


def _truth(view: View, ticket: Ticket, place: str, pair: Pair, total: int, was_running: bool) -> None:
    """Progress; then correlations, a scatter for each criterion, and the costliest pieces."""
    measurements.progress(ticket, total, was_running)
    effects = _EFFECTS.validate_python(measurements.rows(ticket))
    if ticket.running:  # a figure that changes flickers
        effects = effects[: len(effects) // _BATCH * _BATCH]
    if not effects:
        return
    names = [agreement.piece_name(view.anatomy, effect.piece) for effect in effects]
    plan, found = state.current().plan, [effect.piece for effect in effects]
    foretold = [
        agreement.foretold(cache.scores(place, key, plan.seed, "structure", plan.images), view.anatomy, found)
        for key in pair
    ]
    for column, key, predicted in zip(st.columns(2, gap="medium"), pair, foretold, strict=True):
        with column:
            figure = figures.truth_scatter(predicted, effects, names, name(key), theme.look())
            found = agreement.with_truth(predicted, effects)
            alt = f"Rank by {name(key)} against rank by measured rise in loss"
            theme.chart(figure, f"truth_{key}", alt, findings.foretold(found["all"], name(key)))
            st.markdown("  \n".join(_sentences(found)))
    clear = sum(effect.rise.low > 0 for effect in effects)
    st.caption(
        "Rank correlation of what the criterion foretells with the measured rise in loss, in brackets its 95 % "
        f"interval; a piece is foretold the sum of its units' scores, which compares across kinds only where scores "
        f"estimate the loss. The truth is noisy too: {clear} of {len(effects)} rises lie clear of zero."
    )
    _costliest(effects, names, pair, foretold)


def _sentences(found: dict) -> list[str]:
    words = {"all": "**all together**", **figures.KIND_NAMES}
    return [
        f"{words[over]}: {value.value:+.2f} ({value.low:+.2f} to {value.high:+.2f}), n = {value.n}".replace("-", "−")
        for over, value in found.items()
        if value is not None
    ]


def _costliest(effects: list[Effect], names: list[str], pair: Pair, foretold: list) -> None:
    """What the model misses most, with the ranks that both criteria gave it."""
    percent = [percentiles(predicted) for predicted in foretold]
    places = sorted(range(len(effects)), key=lambda place: -effects[place].rise.value)[: figures.RINGED]
    rows = [
        {
            "left out": names[place],
            "rise in loss": _interval(effects[place].rise, 1, 4),
            f"accuracy, points (n = {effects[place].drop.n})": _interval(effects[place].drop, 100, 1),
            **ranks((name(pair[0]), name(pair[1])), (percent[0][place], percent[1][place])),
        }
        for place in places
    ]
    st.markdown("**What the model misses most** (ringed above)")
    st.dataframe(pd.DataFrame(rows), hide_index=True, key="costliest")


def _interval(found: Difference, factor: float, digits: int) -> str:
    value, low, high = (factor * number for number in (found.value, found.low, found.high))
    return f"{value:+.{digits}f} ({low:+.{digits}f} to {high:+.{digits}f})".replace("-", "−")


def scored(pair: Pair, setting: Setting) -> str | None:
    """The worker's folder once it has both criteria's scores; until then the page waits."""
    places = [opening.folder(setting, key) for key in pair]
    if None in places:
        waiting.wait_for(pair[places.index(None)], other=setting)
        return None
    return places[0]


def name(key: str) -> str:
    """What a criterion is called."""
    return criterion(key).label


def ranks(labels: Pair, found: tuple[float, float]) -> dict[str, str]:
    """Percentile ranks under both criteria as columns of a table."""
    return {f"{label}, %": f"{rank:.1f}" for label, rank in zip(labels, found, strict=True)}
