"""What other rooms may import from `service`."""

from . import index as index
from .classroom import (
    Board as Board,
    Classroom as Classroom,
    Game as Game,
    Place as Place,
    Tally as Tally,
)
from .client import Ticket as Ticket, WorkerClient as WorkerClient
from .jobs import Job as Job, Jobs as Jobs
from .threads import Threads as Threads
from .uploads import (
    Upload as Upload,
    Uploads as Uploads,
    little_room as little_room,
    room_left as room_left,
)
from .worker import Worker as Worker
