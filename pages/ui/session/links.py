"""Links: a setting, and what of it is looked at, as query parameters and back. Next door: `state` keeps the address
bar equal to them.

What is the plan's in a link, the core's `plan` writes and reads; what is the sight's, `sight`.
"""

from __future__ import annotations

from itertools import combinations

from dimap_core.data import COUNT, check_count
from dimap_core.plan import LINK_BEGINS, LINK_KEYS, from_link, link_number, to_link
from dimap_core.types import InvalidPlan, PruningError

from . import followed, sight as sights
from .setting import Setting
from .sight import Sight

_ORDER = ("model", "weights", "data", "n", "draw", "classes", "split", *LINK_KEYS, *sights.KEYS, *followed.KEYS)
_KEYS = set(_ORDER)
_MOST_BAD = 3  # parts that are looked for one by one; where more are bad the whole link is left out
_SHORT = 400  # characters of classes set by hand that a link carries
_AS_AT_FIRST = Sight()
VERSION = "v"
"""The part of a link that says by which version of links it was written; without it, by the first."""
IGNORED = {"embed", "embed_options", "key"}
"""Streamlit's own, and the class board's."""
SLIDES = ("present", "slide")
"""Parts of a link that slides read: whether they are shown, and which, from 1."""
LESSONS = ("lesson", "step", "done", "lang", "sandbox")
"""Parts of a link that `lesson` reads."""


def from_url(params: dict[str, str]) -> tuple[Setting, Sight]:
    """A setting and a sight from query parameters, what is followed checked too; raises InvalidPlan (DataError of
    images) for anything that is neither."""
    params = {key: value for key, value in params.items() if key not in IGNORED}
    if unknown := sorted(params.keys() - _KEYS):
        raise InvalidPlan(f"Its part '{unknown[0][:40]}' is not known.")
    default = Setting()
    plan = from_link(params) if params.keys() & {*LINK_KEYS} else default.plan
    weights = params.get("weights", default.weights)
    if weights not in ("pretrained", "random"):
        raise InvalidPlan("Weights are 'pretrained' or 'random'.")
    followed.from_link(params)
    setting = Setting(params.get("model", default.model), weights, plan, *_images_from_url(params))
    return setting, sights.from_link(params)


def good_parts(params: dict[str, str]) -> tuple[Setting, Sight, str]:
    """The setting and the sight that a link's good parts say, and a sentence that names those left out ("" where all
    are good).

    As few are left out as make it one, the details before what they are details of.
    """
    try:
        return *from_url(params), ""
    except PruningError as error:
        reason = str(error).rstrip(".")
    bad = {key for key in params if key not in _KEYS | IGNORED}
    rest = [key for key in sorted(params, key=_rank, reverse=True) if key not in bad]
    for count in range(min(len(rest), _MOST_BAD) + 1):
        for dropped in combinations(rest, count):
            left = bad | set(dropped)
            try:
                setting, sight = from_url({key: value for key, value in params.items() if key not in left})
            except PruningError:
                continue
            names = ", ".join(f"'{key[:40]}'" for key in sorted(left, key=_rank))
            held = "the rest of the link holds" if len(left) < len(params) else "the default is shown"
            return setting, sight, f"{reason} (left out: {names}; {held})."
    return Setting(), Sight(), f"{reason} (the link was ignored, the default is shown)."


def _rank(key: str) -> int:
    """Where a part stands in a link; unknown ones last."""
    return _ORDER.index(key) if key in _ORDER else len(_ORDER)


def _images_from_url(params: dict[str, str]) -> tuple[str, int, int, tuple, str]:
    """(data, count, draw, classes, split)."""
    count, draw = (_whole(key, params.get(key, default)) for key, default in (("n", str(COUNT)), ("draw", "0")))
    check_count(count, draw)
    pairs = [part.rpartition("_") for part in params.get("classes", "").split("~") if part]
    classes = tuple(sorted((folder, _whole("classes", output)) for folder, _, output in pairs))
    return params.get("data", ""), count, draw, classes, params.get("split", "")


def to_url(setting: Setting, sight: Sight = _AS_AT_FIRST) -> dict[str, str]:
    """The query parameters that `from_url` reads back."""
    plan = to_link(setting.plan)
    params = {"model": setting.model} | {key: plan[key] for key in LINK_BEGINS}
    if setting.weights != "pretrained":
        params["weights"] = setting.weights
    if setting.data:
        params |= _images_to_url(setting)
    return params | plan | sights.to_link(sight)


def _images_to_url(setting: Setting) -> dict[str, str]:
    """Classes set by hand only as far as they are short; the session knows them all."""
    params = {"data": setting.data}
    if setting.count != COUNT:
        params["n"] = str(setting.count)
    if setting.draw:
        params["draw"] = str(setting.draw)
    if setting.split:
        params["split"] = setting.split
    classes = "~".join(f"{folder}_{output}" for folder, output in setting.classes)
    if 0 < len(classes) <= _SHORT and not any("~" in folder for folder, _ in setting.classes):
        params["classes"] = classes
    return params


def _whole(key: str, text: str) -> int:
    number = link_number(key, text)
    if not number.is_integer():
        raise InvalidPlan("Numbers of images, seeds and classes are whole.")
    return int(number)
