"""The setting in words: what each chip of the sentence says, and the words between them. Next door: `line` draws it."""

from __future__ import annotations

from dimap_core.criteria import criterion
from dimap_core.data import image_set
from dimap_core.models import bundled
from dimap_core.types import PruningPlan

from ..look import plan_names
from ..session import Setting, cache, opening, own_models, state

_VERBS = {"weight": "Set to zero", "structure": "Take out", "nm": "Keep only"}
_UNITS = {"weight": "weights", "structure": "heads and hidden units", "nm": "neighbouring weights"}
_SCOPES = {
    "layer": "each layer",
    "stage-module": "each stage and module",
    "module": "each module",
    "model": "the whole model",
}
_GROUP_SCOPES = {
    **_SCOPES,
    "layer": "each block and kind",
    "stage-module": "each stage and kind",
    "module": "each kind",
}
_BY = {"kinds": "by kind", "stages": "by stage", "grid": "by stage and module"}


def chips(setting: Setting) -> dict[str, str]:
    """What each chip says, by its key."""
    plan = setting.plan
    scopes = _GROUP_SCOPES if plan.granularity == "structure" else _SCOPES
    return {
        "units": _VERBS[plan.granularity],
        "amount": amount(plan),
        "model": _model(setting),
        "criterion": _score(plan),
        "scope": scopes[plan.scope],
        "images": _images(setting),
    }


def words(plan: PruningPlan) -> tuple[tuple[str, str], ...]:
    """The sentence: (words before a chip, the chip's key), in order."""
    pattern, units = plan.granularity == "nm", _UNITS[plan.granularity]
    worth, of = (f"{units} worth", "of") if plan.budget is not None else ("", f"of the {units} of")
    spared = f"sparing {len(plan.protected)} layers " if plan.protected else ""
    judged = f"{spared}{'then refit the rest ' if plan.repair else ''}and judge on"
    return (
        ("", "units"),
        (worth, "amount"),
        (units + " of" if pattern else of, "model"),
        (f"with the {'largest' if pattern else 'smallest'}", "criterion"),
        *(() if pattern else (("within", "scope"),)),
        (judged, "images"),
    )


def amount(plan: PruningPlan) -> str:
    """How much goes, or of a pattern stays, in a few words."""
    if plan.nm is not None:
        kept, of = plan.nm.split(":")
        return f"{kept} of every {of}"
    if plan.budget is not None:
        return f"{100 * plan.budget:g} % of the {plan_names.COST_LABELS[plan.budget_kind]}"
    if plan.overrides:
        shares = [round(100 * share) for _, share in plan.overrides]
        between = f"{min(shares)} %" if min(shares) == max(shares) else f"{min(shares)}–{max(shares)} %"
        return f"{between} {_BY[state.mode_of(plan)]}"
    return f"{100 * (plan.ratio or 0):g} %"


def _model(setting: Setting) -> str:
    name = own_models.shown(setting.model)
    return f"{name} (random weights)" if setting.weights == "random" else name


def _score(plan: PruningPlan) -> str:
    """ "NViT score, one-shot", "Taylor score per MAC"."""
    name, *more = criterion(plan.criterion).label.split(", ")
    name = name if name.endswith("score") else f"{name} score"
    paid = {0.0: "", 1.0: " per MAC"}.get(plan.cost_exponent, f" per MAC to the {plan.cost_exponent:g}")
    return ", ".join([name, *more]) + paid


def _images(setting: Setting) -> str:
    """ "1,080 textured digits", or by name while chosen ones are not counted yet."""
    if setting.weights == "random":
        return "no images"
    if setting.data:
        facts = opening.ready_facts(setting)
        known = image_set(setting.data)
        return f"{facts['images']:,} images of {facts['title']}" if facts else known.label if known else "your images"
    spec, place = bundled(setting.model), opening.ready_folder(setting) if setting.name.brought else None
    if setting.name.brought and place is None:
        return "its images"  # until it is known what it was trained on
    own = image_set(spec.data if spec else cache.model(place)[0].data if place else None)
    if own is None:
        return "no images"
    if spec is None:
        return own.label.lower()
    if spec.judged:  # of the curves, whose numbers are shown; the card's may be more
        return f"{cache.precomputed(setting.model)['dense']['n']:,} photographs, stored"
    return f"{cache.cards()[setting.model]['n']:,} {own.label.lower()}"
