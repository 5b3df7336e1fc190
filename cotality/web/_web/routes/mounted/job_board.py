"""What strangers may know of jobs."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Collection
from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field
from pydantic_core import to_jsonable_python

from cotality.jobs import (
    JobEvent,
    JobHandle,
    JobInfo,
    JobProgress,
    Jobs,
    JobStatus,
    UnknownJobError,
)
from cotality.web._web.events.frames import frame
from cotality.web._web.routes.answering import in_thread

EVENT = "job"  # the kind of all events


class Progress(BaseModel):
    """How far a job is, as it has said last."""

    done: float
    total: float | None = None
    message: str = ""


class JobChange(BaseModel):
    """What changes while a job is watched."""

    id: str
    status: JobStatus
    attempt: int = Field(description="How many attempts it has begun.")
    progress: Progress | None = None

    @property
    def number(self) -> str:
        """The same for the same change, whichever process tells of it."""
        told = self.model_dump_json(include={"status", "attempt", "progress"})
        return hashlib.sha256(told.encode()).hexdigest()[:16]


class JobState(JobChange):
    """A job as it stands."""

    name: str = Field(description="Of its function.")
    enqueued: datetime
    started: datetime | None = None
    ended: datetime | None = None
    result: Any = Field(  # Any: whatever its function returns
        default=None, description="What it has returned, once it has succeeded."
    )
    error_type: str | None = None
    error: str | None = Field(
        default=None, description="What its last attempt has raised."
    )


class JobBoard:
    """Jobs of some functions, and nothing of others.

    Args:
        jobs: The queue.
        shown: The names of these functions.
    """

    def __init__(self, jobs: Jobs, shown: Collection[str]) -> None:
        self.jobs, self.shown = jobs, shown

    async def state(self, job_id: str) -> JobState:
        """How it stands.

        Raises:
            UnknownJobError: There is none that may be seen.
        """
        return await in_thread(self.state_sync, job_id)

    def state_sync(self, job_id: str) -> JobState:
        try:
            handle = self.jobs.handle(job_id)
        except ValueError:
            raise unknown(job_id) from None  # no job can have such an id
        info = handle.info_sync()
        if info.name not in self.shown:
            raise unknown(job_id)
        return state_of(info, handle)

    async def frames(self, job_id: str, last: str | None) -> AsyncGenerator[bytes]:
        """Changes of a job for a stream, without the one that was heard *last*."""
        async for event in self.jobs.handle(job_id).events():
            change = change_of(job_id, event)
            if change.number != last:
                yield frame(change.model_dump_json(), id=change.number, kind=EVENT)


def unknown(job_id: str) -> UnknownJobError:
    return UnknownJobError(f"there is no job {job_id!r}, or none any more")


def state_of(info: JobInfo, handle: JobHandle[Any]) -> JobState:  # Any: of any job
    result: object = None
    if info.status is JobStatus.SUCCEEDED:
        result = handle.result_sync(timeout=0)
    return JobState(
        id=info.id,
        name=info.name,
        status=info.status,
        attempt=info.attempt,
        enqueued=info.enqueued,
        started=info.started,
        ended=info.ended,
        progress=progress_of(handle.progress_sync()),
        # What JSON has no word for is shown as it looks.
        result=to_jsonable_python(result, inf_nan_mode="null", fallback=repr),
        error_type=info.error_type,
        error=info.error,
    )


def change_of(job_id: str, event: JobEvent) -> JobChange:
    return JobChange(
        id=job_id,
        status=event.status,
        attempt=event.attempt,
        progress=progress_of(event.progress),
    )


def progress_of(progress: JobProgress | None) -> Progress | None:
    if progress is None:
        return None
    return Progress(done=progress.done, total=progress.total, message=progress.message)
