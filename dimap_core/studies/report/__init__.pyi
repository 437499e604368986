"""What other rooms may import from `report`."""

from .contents import Method as Method, Report as Report
from .formats import FORMATS as FORMATS, write as write, write_zipped as write_zipped
from .gathering import by_name as by_name, gather as gather
from .sources import sources as sources
from .tables import rows as rows
