"""What a model is called, read by one rule wherever a name comes in: from the command line, a link, or a request.

Next door: `model` for what is known of a model once it is open; `models` (the room) opens what a name means.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

UPLOAD = "upload:"
Kind = Literal["plain", "file", "upload"]
_PREFIXES: dict[Kind, str] = {"plain": "", "file": "file:", "upload": UPLOAD}


@dataclass(frozen=True)
class ModelName:
    """A model's name, which is `str()` of it.

    `kind`: "file" and "upload" say what they are ("file:PATH", "upload:TOKEN"), so that no name becomes a path by
    chance; "plain" is the name of a bundled or timm model, or the path of a directory or file, which only the disk can
    tell. `what`: the name, path or token. `architecture`: of a file or upload, named behind an @; "": its weights tell.
    """

    kind: Kind
    what: str
    architecture: str = ""

    @classmethod
    def parse(cls, text: str, is_file: Callable[[str], bool] = lambda path: False) -> ModelName:
        """The name that `text` is.

        A path may hold an @ of its own. Where the disk may be asked, `is_file` tells: the longest path that is a file
        is meant. Elsewhere an architecture is what has no slash or dot (before a ?), unless a token stands before it.
        """
        kind: Kind = next((kind for kind, prefix in _PREFIXES.items() if prefix and text.startswith(prefix)), "plain")
        what = text.removeprefix(_PREFIXES[kind])
        before, _, after = what.rpartition("@")
        if not (before and after) or (kind != "upload" and is_file(what)):
            return cls(kind, what)
        named = kind == "upload" or is_file(before) or not set("/.") & set(after.partition("?")[0])
        return cls(kind, before, after) if named else cls(kind, what)

    def __str__(self) -> str:
        return f"{_PREFIXES[self.kind]}{self.what}" + (f"@{self.architecture}" if self.architecture else "")

    @property
    def brought(self) -> bool:
        """Whether it says to be a file that someone brought."""
        return self.kind != "plain"


def timm_name(text: str) -> str:
    """timm's name of a model, before which hubs write "timm/"."""
    return text.removeprefix("timm/")


def untagged(text: str) -> str:
    """timm's name of an architecture, without the tag that tells its sets of weights apart; what is said behind a ?
    stays."""
    name, mark, said = timm_name(text).partition("?")
    return name.partition(".")[0] + mark + said
