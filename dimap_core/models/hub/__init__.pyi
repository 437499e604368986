"""What other rooms may import from `models.hub`."""

from .repositories import fetch_repository as fetch_repository, folder_of as folder_of
from .weights import fetch as fetch, pretrained as pretrained
