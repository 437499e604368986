"""What a sweep is asked for: controls, how many cuts that is and how long they take, and the button that starts it."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from dimap_core.criteria import criterion, offered
from dimap_core.plan import SCOPES
from dimap_core.studies import shared
from dimap_core.types import DataError, PruningError, duration

from ..look import TERMS, formats
from ..session import View, cache, jobs, opening, own_models, state

_UNITS = {"weight": "single weights (zeros)", "structure": "whole structures (smaller)"}
_SCOPES = {"layer": "each layer", "stage-module": "stage × module", "module": "module", "model": "model"}
_AMOUNTS = {"ratio": "of what can go", "macs": "of all FLOPs (MACs)", "params": "of all params"}
_SHARES = {"weight": "50, 60, 70, 80, 85, 90, 95", "structure": "20, 30, 40, 50, 60, 70, 80"}
_PAY = {0.0: "params", 0.5: "half", 1.0: "MACs"}
_REPAIRS = {"without": [False], "with": [True], "both": [False, True]}
_LABELS = {"models": "Models", "criteria": "Criteria", "scopes": "Compete within", "pay": "What do you pay for?"}
_HEARTBEAT = 5  # seconds: a killed process's cut is taken over after four of them


def controls(view: View) -> None:
    """Two rows of choices; a sweep always starts from whole models, whatever cut is in force."""
    with st.container(key="sweep_asked", gap="xsmall"):
        chosen = _choices(view.info.name)
        try:
            asked = _asked(chosen)
        except PruningError as error:
            st.error(formats.plain(str(error)))
            return
        told = st.container(horizontal=True, vertical_alignment="center")
        told.button("Sweep", type="primary", icon=":material/stacked_line_chart:", on_click=_begin,
                    args=(asked, chosen, bool(view.facts and view.facts["agreement"])))  # fmt: skip
        told.markdown(_foretold(view, asked, chosen))


def _choices(own: str) -> dict[str, Any]:
    """What the controls show; `own`: the session's model."""
    first = st.columns([1.5, 1.8, 1.4, 1.2], gap="small")
    units = first[3].selectbox("Remove", list(_UNITS), format_func=_UNITS.get, key="sweep_units",
                               help=TERMS["granularity"], persist_state="session")  # fmt: skip
    models = list(dict.fromkeys([own, *cache.cards()]))
    labels = {info.key: info.label for info in offered(state.current().plan.criterion) if units in info.scores}
    found: dict[str, Any] = {
        "granularity": units,
        "models": first[0].multiselect("Models", models, [own], format_func=own_models.shown,
                                       key=f"sweep_models_{own}", help=TERMS["sweep-models"],
                                       persist_state="session"),
        "criteria": first[1].multiselect("Criteria", list(labels), ["dimap", "magnitude"], format_func=labels.get,
                                         key=f"sweep_criteria_{units}", help=TERMS["criterion"],
                                         persist_state="session"),
        "scopes": first[2].multiselect("Compete within", SCOPES, ["layer", "module"], format_func=_SCOPES.get,
                                       key="sweep_scopes", help=TERMS["scope"], persist_state="session"),
    }  # fmt: skip
    second = st.columns([2.2, 1.5, 1.3, 1.0, 0.9], gap="small")
    found["shares"] = second[0].text_input("How much goes, %", _SHARES[units], key=f"sweep_shares_{units}",
                                           help=TERMS["sweep-shares"], persist_state="session")  # fmt: skip
    found["amounts"] = second[1].selectbox("These are shares", list(_AMOUNTS), format_func=_AMOUNTS.get,
                                           key="sweep_amounts", help=TERMS["budget"],
                                           persist_state="session")  # fmt: skip
    found["pay"] = second[2].multiselect("What do you pay for?", list(_PAY), [0.0], format_func=_PAY.get,
                                         key="sweep_pay", help=TERMS["pay"], persist_state="session")  # fmt: skip
    found["repair"] = second[3].selectbox("Repair", list(_REPAIRS), key="sweep_repair", help=TERMS["repair"],
                                          persist_state="session")  # fmt: skip
    found["seeds"] = second[4].text_input("Seeds", "0", key="sweep_seeds", help=TERMS["sweep-seeds"],
                                          persist_state="session")  # fmt: skip
    return found


def _asked(chosen: dict[str, Any]) -> shared.Asked:
    """What a study is asked for by that; raises PruningError, in a sentence, where it cannot be run."""
    for what in ("models", "criteria", "scopes", "pay"):
        if not chosen[what]:
            raise DataError(f"Nothing is chosen under {_LABELS[what]}; choose something there.")
    shares, setting = _shares(chosen["shares"]), state.current()
    amounts = {"ratios": shares} if chosen["amounts"] == "ratio" else {"budgets": {chosen["amounts"]: shares}}
    grid = {
        "criteria": chosen["criteria"], "scopes": chosen["scopes"], "cost_exponents": chosen["pay"],
        "granularity": chosen["granularity"], "repair": _REPAIRS[chosen["repair"]], "seeds": _seeds(chosen["seeds"]),
        "images": setting.plan.images, **amounts,
    }  # fmt: skip
    judged = opening.images(setting)
    if judged and setting.draw:
        raise DataError("A sweep judges by the images that seed 0 draws; set that seed in the images above.")
    images = {"data": judged["source"], "split": setting.split, "limit": setting.count} if judged else {}
    places = [own_models.place(model) for model in chosen["models"]]
    file = shared.checked({"models": places, "grids": [grid], "heartbeat": _HEARTBEAT, **images})
    return replace(shared.Asked.by(file), classes=setting.classes if judged else ())


def _shares(text: str) -> list[float]:
    try:
        return [round(formats.percentage(part) / 100, 6) for part in text.replace(";", ",").split(",") if part.strip()]
    except ValueError as error:
        raise DataError(str(error)) from error


def _seeds(text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts or not all(part.isdecimal() for part in parts):
        raise DataError("Seeds are whole numbers from 0 with commas between; write 0, or 0, 1, 2.")
    return [int(part) for part in parts]


def _foretold(view: View, asked: shared.Asked, chosen: dict[str, Any]) -> str:
    """How many cuts, and about how long they take."""
    cuts = f"**{len(asked.points):,} cuts**"
    if len(asked.models) > 1:
        cuts += f" ({len(asked.plans):,} of each model)"
    seconds = [_seconds(view, model) for model in chosen["models"]]
    if not all(seconds):
        return f"{cuts}; how long they take is known once the first are judged."
    time = duration(sum(seconds) * len(asked.plans))
    return f"{cuts}, **about {time}** of judging on a free core; {_more(asked)} on top"


def _more(asked: shared.Asked) -> str:
    """What that time does not hold."""
    reads = any(criterion(plan.criterion).reads_images for plan in asked.plans)
    repairs = any(plan.repair for plan in asked.plans)
    words = [word for word, on in (("starting a process", True), ("reading images", reads), ("repair", repairs)) if on]
    return f"{' and '.join(words)} {'come' if words[1:] else 'comes'}"


def _seconds(view: View, model: str) -> float:
    """About how long a cut of a model takes to judge: as the dense one on as many images; 0: not known."""
    images = view.facts["images"] if view.facts else cache.precomputed(model)["dense"] and cache.cards()[model]["n"]
    return (images or 0) * _seconds_an_image(view, model)


def _seconds_an_image(view: View, model: str) -> float:
    own = (one.estimate for one in reversed(st.session_state.history) if one.setting.model == model)
    found = next((one for one in own if one and one.n and one.seconds), None)
    return found.seconds / found.n if found else cache.seconds_an_image(model)


def _begin(asked: shared.Asked, chosen: dict[str, Any], agreement: bool) -> None:
    names: Sequence[str] = [own_models.shown(model) for model in chosen["models"]]
    what = f"{names[0]} and {len(names) - 1} more" if len(names) > 1 else names[0]
    request = {
        "study": f"sweep-{secrets.token_hex(4)}", "asked": asked.told(), "settings": chosen["models"],
        "agreement": agreement,
    }  # fmt: skip
    jobs.start(jobs.SWEEP, f"{what} · {len(asked.points):,} cuts of {_UNITS[chosen['granularity']]}", request)
