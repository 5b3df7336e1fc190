"""Work that outlives the request: calls that are stored, and run until they are done.

Mark a function, enqueue a call of it and answer: a worker runs it, tries it again if it
fails, and keeps what it gave.

* :class:`Jobs` in a file, or in Postgres; ``@jobs.job`` makes a :class:`Job` of a
  function, whose ``enqueue`` gives a :class:`JobHandle`;
* ``python -m cotality.jobs worker module:jobs`` runs them;
* :func:`current_job` inside of one, for its id, its attempt and its progress;
* ``jobs.dead()`` and ``jobs.requeue``, ``jobs.stats()``, ``jobs.list()``.

A job runs at least once, and a job that has finished never again. What fails for good
is a dead letter that says why.
"""

from importlib import import_module

# Type checkers take a variable of this name for true; the one in `typing` would have
# every program wait for `typing`.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from cotality.core.utils.process import Rate, Retry

    from ._jobs.api.handle import JobHandle
    from ._jobs.api.job import AsyncJob, Job, Using
    from ._jobs.api.jobs import Jobs
    from ._jobs.errors.errors import (
        JobCancelledError,
        JobFailedError,
        JobsError,
        LostWorkerError,
        NotStorableError,
        RetryLaterError,
        SlotInUseError,
        StoreError,
        UnknownJobError,
    )
    from ._jobs.running.context import JobContext, current_job
    from ._jobs.schedules.crontab import crontab
    from ._jobs.states.info import Attempt, JobEvent, JobInfo, JobProgress, JobStatus
    from ._jobs.stats import QueueStats

__all__ = [
    "AsyncJob",
    "Attempt",
    "Job",
    "JobCancelledError",
    "JobContext",
    "JobEvent",
    "JobFailedError",
    "JobHandle",
    "JobInfo",
    "JobProgress",
    "JobStatus",
    "Jobs",
    "JobsError",
    "LostWorkerError",
    "NotStorableError",
    "QueueStats",
    "Rate",
    "Retry",
    "RetryLaterError",
    "SlotInUseError",
    "StoreError",
    "UnknownJobError",
    "Using",
    "crontab",
    "current_job",
]

# Where each of them is, which is imported when somebody asks for it.
LATER = {
    "AsyncJob": "._jobs.api.job",
    "Attempt": "._jobs.states.info",
    "Job": "._jobs.api.job",
    "JobCancelledError": "._jobs.errors.errors",
    "JobContext": "._jobs.running.context",
    "JobEvent": "._jobs.states.info",
    "JobFailedError": "._jobs.errors.errors",
    "JobHandle": "._jobs.api.handle",
    "JobInfo": "._jobs.states.info",
    "JobProgress": "._jobs.states.info",
    "JobStatus": "._jobs.states.info",
    "Jobs": "._jobs.api.jobs",
    "JobsError": "._jobs.errors.errors",
    "LostWorkerError": "._jobs.errors.errors",
    "NotStorableError": "._jobs.errors.errors",
    "QueueStats": "._jobs.stats",
    "Rate": "cotality.core.utils.process",
    "Retry": "cotality.core.utils.process",
    "RetryLaterError": "._jobs.errors.errors",
    "SlotInUseError": "._jobs.errors.errors",
    "StoreError": "._jobs.errors.errors",
    "UnknownJobError": "._jobs.errors.errors",
    "Using": "._jobs.api.job",
    "crontab": "._jobs.schedules.crontab",
    "current_job": "._jobs.running.context",
}


def __getattr__(name: str) -> object:
    if name not in LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    thing: object = getattr(import_module(LATER[name], __package__), name)
    globals()[name] = thing
    return thing


def __dir__() -> list[str]:
    return sorted({*globals(), *LATER})
