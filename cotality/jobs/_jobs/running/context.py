"""What a body sees of its own job."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar

from cotality._kit.public import public_in

public = public_in("cotality.jobs")


@public
class JobContext:
    """The job whose body runs here; `current_job` returns it.

    Attributes:
        id: Its id, the same for all attempts. Pass it to other services as an
            idempotency key.
        name: The name of its function.
        queue: Where it waited.
        attempt: From 1.
    """

    id: str
    name: str
    queue: str
    attempt: int

    def __init__(
        self,
        id: str,
        name: str,
        queue: str,
        attempt: int,
        say: Callable[[float, float | None, str], None],
        is_asked_to_end: Callable[[], bool],
    ) -> None:
        self.id, self.name, self.queue, self.attempt = id, name, queue, attempt
        self._say, self._is_asked_to_end = say, is_asked_to_end

    def __repr__(self) -> str:
        return f"<job {self.id} ({self.name}), attempt {self.attempt}>"

    def progress(
        self, done: float, total: float | None = None, message: str = ""
    ) -> None:
        """Report how far the job is. Others see it within a second.

        Call this as often as you like: it writes to the store only a few times a
        second.

        Args:
            done: How much is done.
            total: How much there is to do; None if that is not known.
            message: What it is doing.
        """
        self._say(float(done), None if total is None else float(total), str(message))

    @property
    def is_cancelled(self) -> bool:
        """Whether somebody has cancelled it, or asked it to end."""
        return self._is_asked_to_end()


running: ContextVar[JobContext] = ContextVar("running")


@public
def current_job() -> JobContext:
    """The job whose body calls this.

    Raises:
        RuntimeError: No job runs here. This happens in a plain call of the function.
    """
    found = running.get(None)
    if found is None:
        raise RuntimeError(
            "no job runs here: current_job() is for the body of a job that a worker "
            "runs. This was called plainly, or on a thread of its own: call it in the "
            "body, and pass on what it gives"
        )
    return found
