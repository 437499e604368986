"""What a card of an APMA-style search shows beside what all searches do, and what its parts are worth."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from dimap_core.figures import channel_similarity, findings, indicators_through_training
from dimap_core.training import apma
from dimap_core.types import in_points

from ..look import theme

_KINDS = {"qk_dim": "Q/K channels", "v_dim": "V channels", "mlp_neuron": "hidden units"}


def indicators(token: str, points: Sequence[Mapping[str, Any]]) -> None:
    """What every head would keep by itself, through the search."""
    seen = [point for point in points if "indicators" in point]
    if not seen:
        return
    st.markdown("**Indicators through training**")
    kind = st.segmented_control("Indicators of", list(_KINDS), default="v_dim", key=f"indicators_of_{token}",
                                required=True, format_func=_KINDS.get, label_visibility="collapsed")  # fmt: skip
    figure = indicators_through_training(seen, kind, seen[-1]["search_steps"], theme.look())
    note = (
        f"The fuller the colour, the more {_KINDS[kind]} have an indicator at or above the threshold: what "
        + ("a block" if kind == "mlp_neuron" else "a head")
        + " would keep by itself. "
        + ("" if kind == "mlp_neuron" else "Equal removal then keeps the mean over a block's heads in each of them. ")
        + "Until the target is met the loss above holds the price of the MACs too."
    )
    alt = f"Share of {_KINDS[kind]} above the threshold, head by head, by step"
    theme.chart(figure, f"indicators_{token}", alt, findings.indicators(seen, kind), note)


def similarity(token: str, folder: Path) -> None:
    """How alike the channels of a picked head are, before and after."""
    path = folder / apma.SIMILARITY
    if not path.exists():
        return
    blocks = json.loads(path.read_text(encoding="utf-8"))
    st.markdown("**How alike a head's channels are**")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        place = st.selectbox("Block", list(range(len(blocks))), key=f"similar_block_{token}", format_func=_counted)
        heads = len(blocks[place]["v_dim"]["kept"])
        head = st.selectbox("Head", list(range(heads)), key=f"similar_head_{token}", format_func=_counted)
        kinds = ["qk_dim", "v_dim"]
        kind = st.segmented_control("Channels", kinds, default="v_dim", key=f"similar_kind_{token}", required=True,
                                    format_func={"qk_dim": "Q/K", "v_dim": "V"}.get)  # fmt: skip
    found = blocks[place][kind]
    figure = channel_similarity(found["before"][head], found["after"][head], found["kept"][head], theme.look())
    alt = f"Similarity of the {_KINDS[kind]} of block {place + 1}, head {head + 1}, dense and pruned"
    theme.chart(
        figure, f"similar_{token}", alt, findings.similarity(found["before"][head], found["after"][head]),
        "|cosine| between the weights of every two channels; blank: the channel itself, or one that went.",
    )  # fmt: skip


def _counted(place: int) -> str:
    return str(place + 1)


def parts() -> None:
    """What leaving out each part of the method costs, as measured on bundled models."""
    with st.expander("What each part of the APMA-style search is worth"):
        for found in apma.ablations():
            _part_table(found)


def _part_table(found: Mapping[str, Any]) -> None:
    full = found["full"]
    st.markdown(f"**`{found['model']}`**, {100 * found['budget_macs']:.0f} % of the MACs asked for")
    lines = ["| | top-1 after the cut | after fine-tuning |", "|---|---|---|"]
    lines.append(f"| all parts {_gone(full)} | {_share(full, 'top1_before')} | {_share(full, 'top1_after')} |")
    for row in found["without"]:
        cells = (_change(row[key]) for key in ("change_before", "change_after"))
        lines.append(f"| without {apma.PARTS[row['part']]} {_gone(row)} | " + " | ".join(cells) + " |")
    st.markdown("\n".join(lines))
    st.caption(
        f"Measured by this project: n = {full['n']:,}, one seed, {found['steps']} steps in all. Below the first row: "
        "change against it in points. In brackets: 95 % intervals, of changes paired image by image. Heads that keep "
        "unequally many channels are padded with zeros, so less goes."
    )


def _share(found: Mapping[str, Any], key: str) -> str:
    low, high = (100 * bound for bound in found[f"{key}_ci95"])
    return f"{100 * found[key]:.1f} % [{low:.1f},\u00a0{high:.1f}]"


def _change(values: Sequence[float]) -> str:
    value, low, high = (in_points(share) for share in values)
    return f"{value} [{low},\u00a0{high}]"


def _gone(found: Mapping[str, Any]) -> str:
    return f":gray[−{100 * found['macs_removed']:.1f}\u00a0%\u00a0MACs]"
