"""How the desk refuses a request, in words for the client."""

from __future__ import annotations

from cotality._kit.public import public_in

public = public_in("cotality.web")


@public
class DeskError(RuntimeError):
    """What all of these have in common."""


@public
class UnknownTaskError(DeskError):
    """There is no task of this id, or none any more."""


@public
class QueueFullError(DeskError):
    """Too many tasks wait already.

    Attributes:
        retry_after: After how many seconds there may be room.
    """

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message, retry_after)
        self.retry_after = retry_after

    def __str__(self) -> str:
        return str(self.args[0])


@public
class TooManyTasksError(DeskError):
    """This owner has too many tasks that are not over.

    Attributes:
        retry_after: After how many seconds one of them may be over.
    """

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message, retry_after)
        self.retry_after = retry_after

    def __str__(self) -> str:
        return str(self.args[0])
