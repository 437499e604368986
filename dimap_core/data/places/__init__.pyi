"""What the rest of `data` imports from `places`."""

from .arrays import Arrays as Arrays
from .labels import UNLABELLED as UNLABELLED
from .place import MOST_FOLDERS as MOST_FOLDERS, Place as Place
from .source import place_at as place_at
from .trees import Folder as Folder
