"""What other rooms may import from `plan`."""

from .budget import count_to_remove as count_to_remove
from .fields import link_number as link_number
from .names import UNIFORM as UNIFORM, family as family, label as label
from .recipe import (
    LINK_BEGINS as LINK_BEGINS,
    LINK_KEYS as LINK_KEYS,
    VERSION as VERSION,
    from_link as from_link,
    from_recipe as from_recipe,
    reading as reading,
    sort_overrides as sort_overrides,
    to_link as to_link,
    to_recipe as to_recipe,
)
from .selection import competition_sets as competition_sets, select as select
from .shares import ratios_in_force as ratios_in_force
from .validation import (
    BUDGETS as BUDGETS,
    GRANULARITIES as GRANULARITIES,
    MOST_IMAGES as MOST_IMAGES,
    PATTERNS as PATTERNS,
    SCOPES as SCOPES,
    validate as validate,
)
