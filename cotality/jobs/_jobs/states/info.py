"""A job as people see it: how it stands, how far it is, what its attempts came to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from cotality._kit.public import public_in

public = public_in("cotality.jobs")


@public
class JobStatus(StrEnum):
    """The state of a job."""

    QUEUED = "QUEUED"  # may start as soon as a worker is free
    DELAYED = "DELAYED"  # its time has not come
    RUNNING = "RUNNING"  # a worker is at it
    RETRYING = "RETRYING"  # it has failed, and waits for its next attempt
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"  # for good: a dead letter
    CANCELLED = "CANCELLED"

    @property
    def is_over(self) -> bool:
        """Whether the job has ended, and runs again only if it is requeued."""
        return self in (JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELLED)


@public
@dataclass(frozen=True, slots=True)
class JobProgress:
    """The progress that the body of a job has reported last.

    Attributes:
        done: How much is done.
        total: How much there is to do; None if that is not known.
        message: What the body is doing, in its own words.
        at: When it reported this, in UTC.
    """

    done: float
    total: float | None = None
    message: str = ""
    at: datetime | None = None


@public
@dataclass(frozen=True, slots=True)
class Attempt:
    """One run of a job's body.

    Attributes:
        number: Counted from 1. Runs that a stopped worker gave back count as well.
        started: When it began, in UTC.
        ended: When it ended, in UTC; None as long as it runs.
        worker: Which worker ran it.
        outcome: ``"running"``, ``"succeeded"``, ``"failed"``, ``"cancelled"``;
            ``"lost"`` if the worker has died; ``"returned"`` if it was stopped.
        error_type: The name of the class of the exception.
        error: Its text.
        error_module: The module of that class.
        traceback: Its traceback as text.
    """

    number: int
    started: datetime
    ended: datetime | None
    worker: str
    outcome: str
    error_type: str | None = None
    error: str | None = None
    error_module: str | None = None
    traceback: str | None = None


@public
@dataclass(frozen=True, slots=True)
class JobEvent:
    """A change of a job, for whoever watches it.

    Attributes:
        status: Its state now.
        attempt: How many attempts it has begun.
        progress: What its body has reported, if anything.
    """

    status: JobStatus
    attempt: int
    progress: JobProgress | None


@public
@dataclass(frozen=True, slots=True)
class JobInfo:
    """All about one job; times are in UTC.

    Attributes:
        id: Its id, the same over all attempts.
        name: Of its function.
        queue: Where it waits or waited.
        status: How it stands.
        priority: From -100 to 100; larger is sooner.
        attempt: How many attempts it has begun.
        enqueued: When it was enqueued.
        due: When it may start, or start again.
        started: When its last attempt began.
        ended: When it was over.
        worker: Which worker ran it last.
        key: What no other job may have while this one is not over.
        arguments: As they are stored, in JSON.
        error_type: The class of what its last attempt raised.
        error: The text of that.
        traceback: And its traceback.
    """

    id: str
    name: str
    queue: str
    status: JobStatus
    priority: int
    attempt: int
    enqueued: datetime
    due: datetime
    started: datetime | None
    ended: datetime | None
    worker: str | None
    key: str | None
    arguments: str
    error_type: str | None
    error: str | None
    traceback: str | None
