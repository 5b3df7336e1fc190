"""What a progress callback gets."""

from __future__ import annotations

from cotality._kit.public import public
from cotality._kit.records import dataclass


@public
@dataclass(frozen=True, slots=True)
class Progress:
    """How far a call is at one moment.

    Attributes:
        done: How many tasks have an outcome, a value or a failure. A task that failed
            and will be tried again does not count.
        total: How many tasks there are; None while that is not known: for an input
            without a length, until its end.
        failed: How many of the tasks that are done have failed.
        retried: How many failed attempts were, or will be, followed by another attempt.
        in_flight: How many tasks have been handed out: running, or next for a worker.
        rate: Tasks done per second in the last 15 seconds, or in the last few rounds of
            all workers if those take longer. In the last snapshot, in the whole call.
        elapsed_seconds: Seconds since the call began.
        remaining_seconds: Seconds until all tasks are done, at this *rate*; None if
            that is not known.
        finished: Whether the call is over, for whatever reason: this is the last
            snapshot.
        name: What the call does, as ``progress="Hashing"`` says; empty if nothing does.
        unit: What one task is called, as ``unit="file"`` says.
    """

    done: int
    total: int | None
    failed: int
    retried: int
    in_flight: int
    rate: float
    elapsed_seconds: float
    remaining_seconds: float | None
    finished: bool
    name: str = ""
    unit: str = "task"

    def __str__(self) -> str:
        """In words, as the bar has it."""
        from .sentence import titled

        return titled(self)

    def _repr_html_(self) -> str:
        """A notebook shows a bar."""
        from .sentence import in_html

        return in_html(self)
