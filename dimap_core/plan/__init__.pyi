"""What other rooms may import from `plan`."""

from .budget import count_to_remove as count_to_remove
from .recipe import (
    from_recipe as from_recipe,
    overrides_from as overrides_from,
    sort_overrides as sort_overrides,
    to_recipe as to_recipe,
)
from .selection import competition_sets as competition_sets, select as select
from .validation import (
    BUDGETS as BUDGETS,
    MOST_IMAGES as MOST_IMAGES,
    PATTERNS as PATTERNS,
    SCOPES as SCOPES,
    cell_name as cell_name,
    validate as validate,
)
