"""What others may import from `pipeline.cluster`."""

from .connect import (
    SETTING as SETTING,
    Cluster as Cluster,
    be_gentle as be_gentle,
    check_alike as check_alike,
    connected as connected,
    versions as versions,
    wanted as wanted,
)
from .crew import Crew as Crew, Hired as Hired, judging as judging
