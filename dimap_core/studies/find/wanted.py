"""What a search is asked for. No torch: the page and the job's request speak of it. Next door: `finding` answers it."""

from __future__ import annotations

from dataclasses import dataclass

from ...types import Budget, Granularity, InvalidPlan


@dataclass(frozen=True)
class Wanted:
    """What is asked: a share to remove (`budget`) of "macs", "params" or "latency", or an accuracy to keep
    (`keep_top1`, 0..1) with as few MACs as can be; `seconds` of local search; `images` that scores and repair read."""

    granularity: Granularity = "structure"
    budget: float | None = None
    budget_kind: Budget = "macs"
    keep_top1: float | None = None
    seconds: float = 0.0
    images: int = 256
    seed: int = 0

    def checked(self) -> Wanted:
        """Itself; raises InvalidPlan where it asks for nothing, or for two things at once."""
        if (self.budget is None) == (self.keep_top1 is None):
            raise InvalidPlan("A search has one target; give a budget or the accuracy to keep.")
        for what, share in (("budget", self.budget), ("accuracy to keep", self.keep_top1)):
            if share is not None and not 0 < share < 1:
                raise InvalidPlan(f"The {what} is a share between 0 and 1, not {share:g}.")
        if self.granularity not in ("structure", "weight"):
            raise InvalidPlan("A search looks for structures or single weights.")
        if self.budget_kind == "latency" and self.granularity == "weight":
            raise InvalidPlan("Zeros are not faster; ask for a budget of MACs or params, or for structures.")
        return self
