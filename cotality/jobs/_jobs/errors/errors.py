"""The errors of jobs, each made from its message alone, so that it can travel."""

from __future__ import annotations

from cotality._kit.public import public_in

public = public_in("cotality.jobs")


@public
class JobsError(RuntimeError):
    """What all errors of a job queue itself have in common."""


@public
class JobFailedError(JobsError):
    """The job has failed for good: it is a dead letter.

    Its text has what the job raised; a note has the traceback of its last attempt.

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
class NotStorableError(JobsError, TypeError):
    """A value cannot be written as JSON, or not be read back as what it was."""


@public
class StoreError(JobsError):
    """The store cannot be used: it is missing, full, read-only, locked, or too old."""


@public
class SlotInUseError(JobsError):
    """A live worker has this slot already."""


@public
class LostWorkerError(JobsError):
    """The worker that ran the job has ended, again and again."""
