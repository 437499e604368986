"""What other rooms may import from `story`."""

from .differences import (
    Shown as Shown,
    changed_images as changed_images,
    differing as differing,
    hits as hits,
    paired as paired,
    same_images as same_images,
    uncut as uncut,
    what_differs as what_differs,
)
from .files import from_file as from_file, to_file as to_file
from .links import from_link as from_link, to_link as to_link
from .story import (
    CUTS as CUTS,
    LETTERS as LETTERS,
    NAME as NAME,
    NOTE as NOTE,
    TITLE as TITLE,
    Ground as Ground,
    Known as Known,
    NamedCut as NamedCut,
    Story as Story,
    Told as Told,
)
from .telling import tell as tell
