"""Methods: whole papers. A folder (or file) a method; `METHODS` is the list that commands, jobs, pages and benchmarks
read. No torch: a row's `search` loads it when it is called.

To add one: a frozen dataclass of what it is asked for, `suited_search` that fills it in, `search` that yields events,
and a row here. CONTRIBUTING.md has a whole one.
Next door: `phases` has what searches share, `options` what a row's options are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...types import InvalidPlan
from ..settings import Settings
from . import apma, nvit, spvit
from .options import Option

_PHASES = ("training", "finetuning")


@dataclass(frozen=True)
class Method:
    """A row of the registry.

    `key`: its command, kind of job and place in links; `label` on buttons, `name` in full; `paper`; `summary`: what it
    does. `asked`: the frozen dataclass of what a search is asked for, with `target`, the share 0..1 of the dense
    model's cost to remove, and `training` and `finetuning` (`Settings`), kept as plain data in a job.
    `suited(data, target, seconds=..., seed=..., **options)` fills it in for small models (with `aware` where `costs`
    are several, with `images` where it counts steps), `search(opened, asked, out, state)` does it and yields events as
    `recovery.recover` does. `usual_length`: what happens without seconds.

    `differs`: how it differs from the paper, under `heading`; `notes`: a sentence by family. `softmax_only`: needs
    softmax attention in every block. `share`, `most`, `seconds`: what the page starts from and allows.
    """

    key: str
    label: str
    paper: str
    summary: str
    asked: Callable[..., Any]
    suited: Callable[..., Any]
    search: Callable[..., Iterator[dict[str, Any]]]
    usual_length: str
    differs: tuple[str, ...]
    name: str = ""
    heading: str = "Where this differs from the paper"
    notes: Mapping[str, str] = field(default_factory=dict)
    costs: tuple[str, ...] = ("macs",)
    options: tuple[Option, ...] = ()
    counts_steps: bool = False
    softmax_only: bool = False
    share: float = 0.4
    most: float = 0.9
    seconds: int = 120

    @property
    def title(self) -> str:
        """The name in full."""
        return self.name or self.label

    def search_from(self, request: Mapping[str, Any]) -> Any:
        """What is asked for from its plain form (`dataclasses.asdict`), as a job's request holds it."""
        return self.asked(**{**request, **{name: Settings(**request[name]) for name in _PHASES}})


METHODS = (
    Method(
        key="nvit",
        label="NViT",
        paper="Yang et al., CVPR 2023, arXiv 2110.04869",
        summary="NViT (Yang et al., CVPR 2023) removes hidden units, heads, dimensions of heads and embedding channels "
        "a few at a time, ranked together, while the model goes on learning from the dense one; then it trains what is "
        "left.",
        asked=nvit.Search,
        suited=nvit.suited_search,
        search=lambda *asked: nvit.search(*asked),
        usual_length="20 epochs",
        differs=nvit.SIMPLIFICATIONS,
        notes={"swin": nvit.SWIN_FIXED},
        costs=("macs", "latency"),
        options=nvit.OPTIONS,
        share=0.5,
    ),
    Method(
        key="spvit",
        label="SPViT",
        paper="He et al., TPAMI 2024, arXiv 2111.11802",
        summary="SPViT (He et al., TPAMI 2024) learns by gates, together with the weights, which attentions become "
        "convolutions or nothing and which hidden units stay, then trains that smaller model from the original "
        "weights.",
        asked=spvit.Search,
        suited=spvit.suited_search,
        search=lambda *asked: spvit.search(*asked),
        usual_length="800 steps",
        differs=spvit.SIMPLIFICATIONS,
        options=spvit.OPTIONS,
        counts_steps=True,
        softmax_only=True,
        most=0.8,
        seconds=240,
    ),
    Method(
        key="apma",
        label="APMA-style",
        name=apma.NAME,
        paper=apma.PAPER,
        summary="APMA-style (after Lee & Hwang, 2024): every channel of queries, keys, values and MLPs has an "
        "indicator that learns whether it stays; all heads lose equally many, each its own. The paper's formulas could "
        "not be read, so this is a reconstruction.",
        asked=apma.Search,
        suited=apma.suited_search,
        search=lambda *asked: apma.search(*asked),
        usual_length="240",
        differs=apma.RECONSTRUCTIONS,
        heading="What is reconstructed",
        options=apma.OPTIONS,
    ),
)


def method(key: str) -> Method:
    """The row of that key; raises InvalidPlan listing the keys there are."""
    for found in METHODS:
        if found.key == key:
            return found
    raise InvalidPlan(f"There is no method '{key[:40]}'; choose one of {', '.join(row.key for row in METHODS)}.")
