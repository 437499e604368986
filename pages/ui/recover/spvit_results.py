"""What an SPViT search does and finds, on its job's card: gates, hidden units, the comparison, kernels.

Next door: `searches` has the controls, `job_cards` the cards.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from dimap_core.figures import findings, spvit as figures
from dimap_core.types import in_points

from ..look import formats, theme

_SHORT = {"spvit": "SPViT", "random": "random units", "one-shot": "DIMAP cut"}


def draw(token: str, blocks: list[dict[str, Any]], result: Mapping[str, Any] | None) -> None:
    """Gates and hidden units as they stand; in the end also what it cost, the comparison and the kernels."""
    if result is not None:
        _outcome(result)
    theme.chart(
        figures.path(blocks, theme.look()), f"path_{token}", "What mixes tokens in every block",
        findings.mixers(blocks),
        "A gate counts where all cheaper ones are open too; right of 50 % it stays open in the derived model.",
    )  # fmt: skip
    if result is not None and "comparison" in result:
        _comparison(token, result["comparison"])
    if result is not None and result["pictures"]:
        places = {name: place for place, name in enumerate(_names(result), 1)}
        names = {name: f"block {places[name]}" for name in result["pictures"]}
        figure = figures.kernels(result["pictures"], names, theme.look())
        note = (
            "Where attention became a convolution: how strongly the dense block attended to patches at each distance "
            "(mean over heads and images), and how strongly the kernel reads them. Rows: down, columns: right. The "
            "nine taps of a 3×3 kernel begin alike, and short training moves them little."
        )
        alt = "Attention by distance beside the kernel in its place"
        theme.chart(figure, f"kernels_{token}", alt, findings.kernels(result["pictures"], names), note)


def _names(result: Mapping[str, Any]) -> list[str]:
    """Names of all blocks, in forward order."""
    return list(result["hidden"])


def _outcome(result: Mapping[str, Any]) -> None:
    if not result["met"]:
        st.warning("The budget was not met in the time given: this is the model at the last step. Allow more seconds.")
    placed = len(result["mixers"])
    st.caption(
        f"Removed {100 * result['macs_removed']:.0f} % of the MACs and {100 * result['params_removed']:.0f} % of the "
        f"params; measured in batches of {result['latency']['batch_size']}, {100 * result['latency_removed']:.0f} % of "
        f"the latency. In {placed} of {len(result['blocks'])} blocks attention went; the search took "
        f"{result['search_steps']:,} steps. “Before” is the derived model before its fine-tuning."
    )


def _comparison(token: str, comparison: Mapping[str, Any]) -> None:
    """The three models beside each other, and whether the search earned its cost."""
    st.markdown(f"**Did the search earn its cost?** {comparison['verdict']}")
    rows = []
    for row in comparison["rows"]:
        name = _SHORT[row["key"]]
        if "why" in row:
            st.caption(f"{name}: {row['why']}")
            continue
        low, high = (100 * bound for bound in row["ci95"])
        ahead = [in_points(share) for share in row.get("difference", [])]
        rows.append({
            "": name, "top-1, %": f"{100 * row['top1']:.1f} ({low:.1f} to {high:.1f})",
            "SPViT − it, points": f"{ahead[0]} ({ahead[1]} to {ahead[2]})" if ahead else "",
            "before, %": f"{100 * row['top1_before']:.1f}", "seconds": f"{row['seconds']:.0f}", "n": f"{row['n']:,}",
            "MACs": formats.count(row["macs"]), "params": formats.count(row["params"]),
        })  # fmt: skip
    st.dataframe(pd.DataFrame(rows), hide_index=True, key=f"rivals_{token}")
    st.caption(
        "Random units: the same operations, as many hidden units in every block, fine-tuned alike. DIMAP cut: its "
        "structures at the same MACs, repaired and trained as long as search and fine-tuning. Before: without the "
        "fine-tuning. Seconds: search and training, at the speed of an undisturbed machine."
    )
