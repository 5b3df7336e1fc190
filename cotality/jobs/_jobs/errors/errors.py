"""The errors of jobs, each made from its message alone, so that it can travel."""

from __future__ import annotations

import math
from datetime import timedelta

from cotality._kit.public import public_in

LONGEST_S = 100 * 365.25 * 86_400  # that anything may be put off

public = public_in("cotality.jobs")


@public
class JobsError(RuntimeError):
    """The base class of all errors of jobs."""


@public
class JobFailedError(JobsError):
    """The job has failed for good: it is a dead letter.

    Its text names the exception that the job raised; a note has the traceback of the
    last attempt.

    Attributes:
        error_type: The name of the class of what it raised.
    """

    error_type: str | None = None


@public
class JobCancelledError(JobsError):
    """The job was cancelled. A body may raise this, if it was asked to end."""


@public
class UnknownJobError(JobsError):
    """There is no job of this id, or no function of this name."""


@public
class RetryLaterError(JobsError):
    """Raise it in a body that knows when to run again, or that it should not.

    It takes the place of what the job's `Retry` says. A server that asks for 30
    seconds::

        raise RetryLaterError("too many requests", retry_in=30)

    Args:
        retry_in: The pause in seconds, or a timedelta. None means never: the job
            becomes a dead letter.
        is_attempt: Whether this run counts as an attempt. Say False if it has only
            found out that it is too early.

    Attributes:
        retry_in: In seconds.
        is_attempt: As it was given.

    Raises:
        TypeError: *retry_in* is no number of seconds.
        ValueError: It is more than a hundred years, or no number.
    """

    retry_in: float | None

    def __init__(
        self,
        message: str,
        retry_in: float | timedelta | None = None,
        is_attempt: bool = True,
    ) -> None:
        super().__init__(message, retry_in, is_attempt)
        self.retry_in = None if retry_in is None else seconds_of("retry_in", retry_in)
        self.is_attempt = is_attempt

    def __str__(self) -> str:
        return str(self.args[0])


@public
class NotStorableError(JobsError, TypeError):
    """A value cannot be written as JSON, or could not be read back unchanged."""


@public
class StoreError(JobsError):
    """The store cannot be used: it is missing, full, read-only, locked, or too old."""


@public
class KeyTakenError(JobsError):
    """Another job that is not over has the same key."""


@public
class SlotInUseError(JobsError):
    """Another worker, which is alive, has this slot."""


@public
class LostWorkerError(JobsError):
    """Too many workers died while they ran the job."""


def seconds_of(name: str, value: object) -> float:
    """A pause, which is no less than nothing.

    Raises:
        TypeError: It is neither a number nor a timedelta.
        ValueError: It is more than a hundred years, or no number.
    """
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be seconds or a timedelta, got {value!r}")
    if math.isnan(value) or value > LONGEST_S:
        raise ValueError(f"{name} must be at most a hundred years, got {value!r}")
    return max(0.0, float(value))
