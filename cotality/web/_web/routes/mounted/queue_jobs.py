"""All jobs over HTTP, for those who look after them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from cotality.jobs import (
    Attempt,
    JobHandle,
    JobInfo,
    Jobs,
    JobStatus,
    UnknownJobError,
)
from cotality.web._web.guard.problems import Problem, ProblemError, declared
from cotality.web._web.routes.answering import in_thread
from cotality.web._web.routes.ids import LONGEST, Name

from .job_board import Progress, progress_of

MOST = 1000  # jobs of one answer


class JobLine(BaseModel):
    """A job in a list."""

    id: str
    name: str = Field(description="Of its function.")
    queue: str
    status: JobStatus
    attempt: int = Field(description="How many attempts it has begun.")
    enqueued: datetime
    started: datetime | None = Field(description="When its last attempt began.")
    ended: datetime | None
    error_type: str | None
    error: str | None = Field(description="What its last attempt has raised.")


class Run(BaseModel):
    """One run of a job."""

    number: int
    started: datetime
    ended: datetime | None
    worker: str
    outcome: str
    error_type: str | None
    error: str | None


class WholeJob(JobLine):
    """All that is known of a job."""

    priority: int = Field(description="From -100 to 100; larger is sooner.")
    due: datetime = Field(description="When it may start, or start again.")
    worker: str | None = Field(description="Which worker ran it last.")
    key: str | None = Field(
        description="What no other job may have while this one is not over."
    )
    arguments: str = Field(description="As they are stored, in JSON.")
    traceback: str | None
    progress: Progress | None
    attempts: list[Run]


class JobLines(BaseModel):
    """Jobs, the newest first."""

    items: list[JobLine]
    next_before: str | None = Field(
        description="Behind which id the next portion begins; null if there is none."
    )


JobId = Annotated[str, Path(max_length=LONGEST)]


def add_jobs(router: APIRouter, jobs: Jobs) -> None:
    """Add the routes that show any job, and cancel it."""

    @router.get("/jobs", responses=declared(422, 404, 503), summary="Jobs")
    async def job_lines(
        status: Annotated[
            list[JobStatus] | None, Query(description="Only those that stand so.")
        ] = None,
        queue: Annotated[Name | None, Query(description="Only of this one.")] = None,
        name: Annotated[
            Name | None, Query(description="Only of this function.")
        ] = None,
        before: Annotated[
            Name | None,
            Query(
                description="Only those that are older than the one of this id.",
            ),
        ] = None,
        limit: Annotated[int, Query(ge=1, le=MOST)] = 50,
    ) -> JobLines:
        """All of them, the newest first."""

        def read() -> list[JobInfo]:
            return jobs.list(
                status=status, queue=queue, name=name, before=before, limit=limit + 1
            )

        found = await in_thread(read)
        lines = [line_of(info) for info in found[:limit]]
        more = lines[-1].id if len(found) > limit else None
        return JobLines(items=lines, next_before=more)

    @router.get(
        "/jobs/{job_id:path}",
        responses=declared(422, 404, 503),
        summary="All about a job",
    )
    async def job(job_id: JobId) -> WholeJob:
        """With its arguments and its attempts."""
        return await in_thread(whole_job, jobs, job_id)

    @router.delete(
        "/jobs/{job_id:path}",
        responses=declared(422, 404, 409, 503),
        summary="Cancel any job",
    )
    async def cancel_any(job_id: JobId) -> WholeJob:
        """End it. One that waits never starts; one that runs ends within a second."""
        return await in_thread(cancelled, jobs, job_id)


def cancelled(jobs: Jobs, job_id: str) -> WholeJob:
    before = whole_job(jobs, job_id)
    had_to_end = not before.status.is_over and jobs.cancel(job_id)
    after = whole_job(jobs, job_id)
    if not had_to_end and after.status is not JobStatus.CANCELLED:
        text = f"job {job_id} is over: {after.status}"
        raise ProblemError(Problem(409, "is-over", text))
    return after


def whole_job(jobs: Jobs, job_id: str) -> WholeJob:
    """All about a job.

    Raises:
        UnknownJobError: There is none.
    """
    handle = handle_of(jobs, job_id)
    info = handle.info_sync()
    return WholeJob(
        **line_of(info).model_dump(),
        priority=info.priority,
        due=info.due,
        worker=info.worker,
        key=info.key,
        arguments=info.arguments,
        traceback=info.traceback,
        progress=progress_of(handle.progress_sync()),
        attempts=[run_of(each) for each in handle.attempts_sync()],
    )


def handle_of(jobs: Jobs, job_id: str) -> JobHandle[Any]:  # Any: of any job
    """The job with that id.

    Raises:
        UnknownJobError: No job can have it.
    """
    try:
        return jobs.handle(job_id)
    except ValueError:
        raise UnknownJobError(f"there is no job {job_id!r}") from None


def line_of(info: JobInfo) -> JobLine:
    return JobLine.model_validate(info, from_attributes=True)


def run_of(attempt: Attempt) -> Run:
    return Run.model_validate(attempt, from_attributes=True)
