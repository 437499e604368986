"""Every error a user can cause. The message is one sentence that names the remedy; pages and CLI show it as it is.

PruningError
├── UnsupportedModel   a model whose anatomy we do not know, or a name that does not exist
├── InvalidPlan        a plan that is malformed or cannot be met
├── DataError          a data set that is unknown or unreadable
├── CheckpointError    a checkpoint file or directory that cannot be used
├── StoryError         a story that is malformed or too long
└── Offline            something has to be fetched and there is no network
"""


class PruningError(Exception):
    """Base of all errors with a remedy in the message; whatever the user's text holds, the message is one line."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


class UnsupportedModel(PruningError):
    """The model is not a Swin or DeiT that timm builds."""


class InvalidPlan(PruningError):
    """The plan is malformed, out of range or cannot be met on this model; `nearest`: the ratio (or the budget of a plan
    that has one) that can be met, where that alone would mend it."""

    def __init__(self, message: str, nearest: float | None = None) -> None:
        super().__init__(message)
        self.nearest = nearest


class DataError(PruningError):
    """The data set is unknown or unreadable."""


class CheckpointError(PruningError):
    """The checkpoint is missing, damaged or belongs to another model."""


class StoryError(PruningError):
    """The story's file or link is malformed, or it is too long."""


class Offline(PruningError):
    """Pretrained weights are neither cached nor reachable."""
