"""What other rooms may import from `shared`."""

from .asked import Asked as Asked, checked as checked, read as read
from .ledger import Ledger as Ledger, Standing as Standing, begin as begin, found as found, named as named
from .results import Result as Result, results as results
from .same import look as look
from .tables import as_csv as as_csv, as_latex as as_latex, columns as columns
from .working import work as work
