"""What a callback for progress is given."""

from __future__ import annotations

from dataclasses import dataclass

from cotality._kit.public import public


@public
@dataclass(frozen=True, slots=True)
class Progress:
    """How far a call is at one moment.

    Attributes:
        done: How many tasks have their outcome, a value or a failure. A task that
            failed and is to be tried again is not among them.
        total: How many tasks there are; None while nobody knows, which is until the
            end of an input without a length.
        failed: How many of those done have failed.
        retried: How many failed attempts were, or will be, followed by another one.
        in_flight: How many tasks are out: running, or next in line for a worker.
        rate: Tasks done per second, lately: in the last 15 seconds, or in the last few
            rounds of all workers if those take longer. In the last snapshot, in the
            whole call.
        elapsed_seconds: Since the call began.
        remaining_seconds: Until all is done, if it goes on at this *rate*; None if
            nobody knows.
        finished: Whether the call is over, for whatever reason: this is the last
            snapshot.
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
