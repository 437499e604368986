"""What other rooms may import from `shared`."""

from .asked import Asked as Asked, checked as checked, read as read
from .ledger import Ledger as Ledger, Standing as Standing, begin as begin, found as found, named as named
from .rows import columns as columns
from .same import look as look
from .working import work as work
