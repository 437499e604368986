"""A report's points as one LaTeX table (booktabs).

Next door: `tables` has the same as rows.
"""

from __future__ import annotations

from ...types import Difference, Proportion
from . import words
from .contents import Report, Reported

_SIGNS = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "_": r"\_", "%": r"\%",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "−": "$-$", "–": "--", "\u00a0": "~",
}  # fmt: skip


def table(report: Report) -> str:
    """For a document that loads booktabs, and takes UTF-8."""
    lines = [
        r"% \usepackage{booktabs}", r"\begin{table}", r"\centering", r"\begin{tabular}{llrrrll}", r"\toprule",
        r" & Cut & Params kept, \% & MACs kept, \% & $n$ & Top-1, \% & Against dense, points \\", r"\midrule",
        *map(_row, report.cuts), r"\bottomrule", r"\end{tabular}", rf"\caption{{{_caption(report)}}}", r"\end{table}",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """Text that LaTeX sets as it is."""
    return "".join(_SIGNS.get(sign, sign) for sign in text)


def _row(one: Reported) -> str:
    total, found = one.total, one.told.estimate
    cells = [
        one.letter, escaped(one.cut.name), f"{100 * total.params_after / total.params:.2f}",
        f"{100 * total.macs_after / total.macs:.2f}", "--" if found is None else str(found.n),
        _share(None if found is None else found.top1), _change(one.drop),
    ]  # fmt: skip
    return " & ".join(cells) + r" \\"


def _share(found: Proportion | None) -> str:
    return "--" if found is None else f"{100 * found.value:.2f} [{100 * found.low:.2f}, {100 * found.high:.2f}]"


def _change(drop: Difference | None) -> str:
    if drop is None:
        return "--"
    value, low, high = (f"${100 * part:.2f}$" for part in (drop.value, drop.low, drop.high))
    return f"{value} [{low}, {high}]"


def _caption(report: Report) -> str:
    letters: dict[str, list[str]] = {}
    for one in report.cuts:
        letters.setdefault(words.kind(one), []).append(one.letter)
    kinds = "; ".join(f"{', '.join(those)}: {kind}" for kind, those in letters.items())
    models = "; ".join(f"{basis.model} on {basis.ground.images or 'no images'}" for basis in report.bases)
    return escaped(f"{words.title(report)}. {models}. {kinds}. {words.CHANCE}")
