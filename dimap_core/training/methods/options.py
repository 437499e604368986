"""What a search can be asked for beside its target, as rows that command line and page read; and what its target
counts. No torch.

Next door: each method's `settings` has its own options, `registry` the methods.
"""

from __future__ import annotations

from dataclasses import dataclass

AWARE = {"macs": "MAC-aware, not latency-aware", "latency": "Latency-aware: measured on this device"}
"""What a target may count, and what a search is then called."""
PAID = {"macs": "MACs", "latency": "latency"}


@dataclass(frozen=True)
class Option:
    """A keyword of a method's `suited_search`: on the command line `--key`, on the page a switch.

    `default` (its type is the option's) and `help` are the command's; `least`: the smallest number. `label`: what the
    page calls the switch (empty: the page does not ask), `usual`: how it stands there at first, `hint`: its tooltip
    where the glossary has none of that key. `part`: a part of the method, which stays unless someone leaves it out;
    `longer`: seconds that the switch adds, per second asked for.
    """

    key: str
    default: bool | int | float
    help: str
    least: float | None = None
    label: str = ""
    usual: bool = False
    hint: str = ""
    part: bool = False
    longer: float = 0.0
