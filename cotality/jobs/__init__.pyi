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
# Written by docs/write_stubs.py: a change here is lost.

from cotality.core.utils.process import Rate as Rate
from cotality.core.utils.process import Retry as Retry
from cotality.jobs._jobs.api.handle import JobHandle as JobHandle
from cotality.jobs._jobs.api.job import AsyncJob as AsyncJob
from cotality.jobs._jobs.api.job import Job as Job
from cotality.jobs._jobs.api.job import Using as Using
from cotality.jobs._jobs.api.jobs import Jobs as Jobs
from cotality.jobs._jobs.errors.errors import JobCancelledError as JobCancelledError
from cotality.jobs._jobs.errors.errors import JobFailedError as JobFailedError
from cotality.jobs._jobs.errors.errors import JobsError as JobsError
from cotality.jobs._jobs.errors.errors import KeyTakenError as KeyTakenError
from cotality.jobs._jobs.errors.errors import LostWorkerError as LostWorkerError
from cotality.jobs._jobs.errors.errors import NotStorableError as NotStorableError
from cotality.jobs._jobs.errors.errors import RetryLaterError as RetryLaterError
from cotality.jobs._jobs.errors.errors import SlotInUseError as SlotInUseError
from cotality.jobs._jobs.errors.errors import StoreError as StoreError
from cotality.jobs._jobs.errors.errors import UnknownJobError as UnknownJobError
from cotality.jobs._jobs.running.context import JobContext as JobContext
from cotality.jobs._jobs.running.context import current_job as current_job
from cotality.jobs._jobs.schedules.crontab import crontab as crontab
from cotality.jobs._jobs.states.info import Attempt as Attempt
from cotality.jobs._jobs.states.info import JobEvent as JobEvent
from cotality.jobs._jobs.states.info import JobInfo as JobInfo
from cotality.jobs._jobs.states.info import JobProgress as JobProgress
from cotality.jobs._jobs.states.info import JobStatus as JobStatus
from cotality.jobs._jobs.stats.histogram import Histogram as Histogram
from cotality.jobs._jobs.stats.job_times import JobTimes as JobTimes
from cotality.jobs._jobs.stats.queue_stats import QueueStats as QueueStats

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
