"""Work that outlives the request: calls that are stored, and run until they are done.

Mark a function, enqueue a call of it, and answer the request: a worker runs the call,
tries again if it fails, and keeps its result.

* :class:`Jobs` in a file, or in Postgres; ``@jobs.job`` makes a :class:`Job` of a
  function, whose ``enqueue`` gives a :class:`JobHandle`;
* ``python -m cotality.jobs worker module:jobs`` runs them;
* :func:`current_job`, called inside a job, has its id, attempt and progress;
* ``jobs.dead()`` and ``jobs.requeue``, ``jobs.stats()``, ``jobs.list()``.

A job runs at least once, and never again once it has finished. A job that fails for
good is kept as a dead letter that says why.
"""

from cotality._kit.front_door import front_door

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
        KeyTakenError,
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
    from ._jobs.stats.histogram import Histogram
    from ._jobs.stats.job_times import JobTimes
    from ._jobs.stats.queue_stats import QueueStats

__all__ = [
    "AsyncJob",
    "Attempt",
    "Histogram",
    "Job",
    "JobCancelledError",
    "JobContext",
    "JobEvent",
    "JobFailedError",
    "JobHandle",
    "JobInfo",
    "JobProgress",
    "JobStatus",
    "JobTimes",
    "Jobs",
    "JobsError",
    "KeyTakenError",
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
    "AsyncJob": "jobs._jobs.api.job",
    "Attempt": "jobs._jobs.states.info",
    "Histogram": "jobs._jobs.stats.histogram",
    "Job": "jobs._jobs.api.job",
    "JobCancelledError": "jobs._jobs.errors.errors",
    "JobContext": "jobs._jobs.running.context",
    "JobEvent": "jobs._jobs.states.info",
    "JobFailedError": "jobs._jobs.errors.errors",
    "JobHandle": "jobs._jobs.api.handle",
    "JobInfo": "jobs._jobs.states.info",
    "JobProgress": "jobs._jobs.states.info",
    "JobStatus": "jobs._jobs.states.info",
    "JobTimes": "jobs._jobs.stats.job_times",
    "Jobs": "jobs._jobs.api.jobs",
    "JobsError": "jobs._jobs.errors.errors",
    "KeyTakenError": "jobs._jobs.errors.errors",
    "LostWorkerError": "jobs._jobs.errors.errors",
    "NotStorableError": "jobs._jobs.errors.errors",
    "QueueStats": "jobs._jobs.stats.queue_stats",
    "Rate": "core.utils.process",
    "Retry": "core.utils.process",
    "RetryLaterError": "jobs._jobs.errors.errors",
    "SlotInUseError": "jobs._jobs.errors.errors",
    "StoreError": "jobs._jobs.errors.errors",
    "UnknownJobError": "jobs._jobs.errors.errors",
    "Using": "jobs._jobs.api.job",
    "crontab": "jobs._jobs.schedules.crontab",
    "current_job": "jobs._jobs.running.context",
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = front_door(globals(), "cotality", LATER)
