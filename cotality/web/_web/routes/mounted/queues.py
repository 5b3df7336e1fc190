"""Queues and dead letters over HTTP, for those who look after them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from cotality._kit.public import public_in
from cotality.jobs import (
    JobInfo,
    Jobs,
    JobsError,
    JobStatus,
    JobTimes,
    QueueStats,
    StoreError,
)
from cotality.web._web.guard.problems import Problem, ProblemError, declared
from cotality.web._web.page.files import add_page
from cotality.web._web.routes.answering import Route, in_thread
from cotality.web._web.routes.ids import JOB_ID, JOB_ID_BEFORE, LONGEST, Name

from .queue_jobs import Run, add_jobs, handle_of, run_of

MOST = 1000  # dead letters of one answer, or that are handled together
# Of one request, whose body may have 64 kB where the service itself serves it.
MOST_IDS = 100


class Queue(BaseModel):
    """One queue at one moment."""

    queue: str
    queued: int = Field(description="Jobs that could start now.")
    delayed: int = Field(description="Jobs whose time has not come yet.")
    running: int
    retrying: int = Field(description="Jobs that have failed, and are tried again.")
    succeeded: int = Field(description="As far as they are kept.")
    dead: int = Field(description="Jobs that have failed for good.")
    cancelled: int = Field(description="As far as they are kept.")
    oldest_s: float | None = Field(
        description="For how long the oldest job that could start has waited."
    )
    done_per_minute: float
    workers: int = Field(description="Workers that are alive and serve it.")
    slots: int = Field(description="How many of its jobs these can run at once.")
    waiting: int = Field(description="All that is not done and that nobody is at.")
    is_unserved: bool = Field(description="Whether jobs wait and no worker serves it.")


class Durations(BaseModel):
    """How long something took, of all that was counted."""

    count: int
    seconds: float = Field(description="All of them together.")
    p50: float | None = Field(description="About how many seconds half took at most.")
    p95: float | None = Field(description="The same of 95 %.")
    no_longer: dict[str, int] = Field(
        description="Of some times in seconds, how many took no longer."
    )


class Times(BaseModel):
    """How long the jobs of one function wait, and run."""

    name: str = Field(description="Of the function.")
    wait: Durations = Field(description="From when a run could begin to when it did.")
    run: Durations = Field(description="From there to its end, whatever that was.")


class DeadLetter(BaseModel):
    """A job that has failed for good."""

    id: str
    name: str = Field(description="Of the job's function.")
    queue: str
    attempt: int = Field(description="How many attempts it had.")
    enqueued: datetime
    ended: datetime | None
    error_type: str | None
    error: str | None


class WholeLetter(DeadLetter):
    """A dead letter, with all that is known of it."""

    arguments: str = Field(description="As they are stored, in JSON.")
    traceback: str | None
    attempts: list[Run]


class DeadLetters(BaseModel):
    """Dead letters, the newest first."""

    items: list[DeadLetter]
    next_offset: int | None = Field(
        description="Where the next portion begins; null if there is none."
    )


class Which(BaseModel):
    """Which dead letters are meant: some by their ids, or all of a queue."""

    model_config = ConfigDict(extra="forbid")

    ids: list[Name] = Field(default_factory=list[Name], max_length=MOST_IDS)
    queue: Name | None = Field(
        default=None, description=f"All of this queue, {MOST} at most at a time."
    )


class Handled(BaseModel):
    """What was done to dead letters."""

    done: list[str] = Field(description="The ids of those to which it was done.")
    left: dict[str, str] = Field(description="Why not to the others, by their ids.")


LetterId = Annotated[str, Path(max_length=LONGEST)]


@public_in("cotality.web")
def queues_router(
    jobs: Jobs, *, prefix: str = "/queues", page: bool = True
) -> APIRouter:
    """Routes that show queues, and run dead letters again or forget them.

    ``/queues/page`` is a page for people. All of it shows arguments and tracebacks, so
    let only those in who run the service: ``app.include_router(queues_router(jobs),
    dependencies=[...])``.

    Args:
        jobs: The jobs whose queues are shown.
        prefix: The path before all routes.
        page: Whether to include the page. It has the same dependencies, which a browser
            has to satisfy when somebody opens it; see `queues_page_router`.
    """
    router = APIRouter(prefix=prefix, tags=["queues"], route_class=Route)
    add_queues(router, jobs)
    add_many(router, jobs)
    add_letters(router, jobs)
    add_jobs(router, jobs)
    if page:
        add_page(router, "/page", "queues.html")
    return router


def add_queues(router: APIRouter, jobs: Jobs) -> None:
    @router.get("", responses=declared(503), summary="All queues")
    async def queues() -> list[Queue]:
        """How each queue is that has jobs or workers, by name."""
        return [queue_of(each) for each in await in_thread(jobs.stats)]

    @router.get("/times", responses=declared(503), summary="How long jobs take")
    async def times() -> list[Times]:
        """How long the jobs of each function wait, and run, since the first of them."""
        return [times_of(each) for each in await in_thread(jobs.times)]

    @router.get("/dead", responses=declared(422, 503), summary="Dead letters")
    async def dead_letters(
        queue: Annotated[Name | None, Query(description="Only of this one.")] = None,
        limit: Annotated[int, Query(ge=1, le=MOST)] = 100,
        offset: Annotated[int, Query(ge=0, le=2**31)] = 0,
    ) -> DeadLetters:
        """Jobs that have failed for good, the newest first."""

        def read() -> list[JobInfo]:
            return jobs.list(
                status=JobStatus.FAILED, queue=queue, limit=limit + 1, offset=offset
            )

        found = await in_thread(read)
        return DeadLetters(
            items=[letter_of(info) for info in found[:limit]],
            next_offset=offset + limit if len(found) > limit else None,
        )


def add_many(router: APIRouter, jobs: Jobs) -> None:
    def forget(job_id: str) -> bool:
        return jobs.purge([job_id]) > 0

    @router.post(
        "/dead/requeue",
        responses=declared(422, 400, 415, 503),
        summary="Run several dead letters again",
    )
    async def requeue_many(which: Which) -> Handled:
        """Each keeps its id, and has all its attempts again."""
        return await in_thread(to_each, jobs, which, jobs.requeue)

    @router.post(
        "/dead/purge",
        responses=declared(422, 400, 415, 503),
        summary="Forget several dead letters",
    )
    async def purge_many(which: Which) -> Handled:
        """They are gone for good."""
        return await in_thread(to_each, jobs, which, forget)


def add_letters(router: APIRouter, jobs: Jobs) -> None:
    @router.post(
        f"/dead/{JOB_ID_BEFORE}/requeue",
        responses=declared(422, 404, 409, 503),
        summary="Run a dead letter again",
    )
    async def requeue(job_id: LetterId) -> Handled:
        """It keeps its id, and has all its attempts again."""
        await in_thread(checked_dead, jobs, job_id)
        await in_thread(jobs.requeue, job_id)
        return Handled(done=[job_id], left={})

    @router.delete(
        f"/dead/{JOB_ID}",
        responses=declared(422, 404, 409, 503),
        summary="Forget a dead letter",
    )
    async def purge(job_id: LetterId) -> Handled:
        """It is gone for good."""
        await in_thread(checked_dead, jobs, job_id)
        await in_thread(jobs.purge, [job_id])
        return Handled(done=[job_id], left={})

    @router.get(
        f"/dead/{JOB_ID}",
        responses=declared(422, 404, 409, 503),
        summary="All about a dead letter",
    )
    async def dead_letter(job_id: LetterId) -> WholeLetter:
        """With its arguments, its traceback and its attempts."""
        return await in_thread(whole_letter, jobs, job_id)


def to_each(jobs: Jobs, which: Which, do: Callable[[str], bool]) -> Handled:
    """*do* it to each that is meant; what keeps one from it is told."""
    ids = list(dict.fromkeys(which.ids))
    if which.queue is not None:
        ids += [each.id for each in jobs.dead(queue=which.queue, limit=MOST)]
    handled = Handled(done=[], left={})
    for job_id in ids:
        try:
            info = checked_dead(jobs, job_id)
            if do(info.id):
                handled.done.append(job_id)
            else:
                handled.left[job_id] = "it is not a dead letter any more"
        except StoreError:
            raise
        except ProblemError as error:
            handled.left[job_id] = error.problem.detail
        except JobsError as error:
            handled.left[job_id] = f"{error}"
    return handled


def checked_dead(jobs: Jobs, job_id: str) -> JobInfo:
    """All about a dead letter.

    Raises:
        UnknownJobError: There is no such job.
        ProblemError: It is not dead; 409.
    """
    info = handle_of(jobs, job_id).info_sync()
    if info.status is not JobStatus.FAILED:
        text = f"job {job_id} is not a dead letter: {info.status}"
        raise ProblemError(Problem(409, "not-dead", text))
    return info


def whole_letter(jobs: Jobs, job_id: str) -> WholeLetter:
    info = checked_dead(jobs, job_id)
    attempts = jobs.handle(job_id).attempts_sync()
    return WholeLetter(
        **letter_of(info).model_dump(),
        arguments=info.arguments,
        traceback=info.traceback,
        attempts=[run_of(each) for each in attempts],
    )


def queue_of(stats: QueueStats) -> Queue:
    return Queue.model_validate(stats, from_attributes=True)


def times_of(times: JobTimes) -> Times:
    return Times.model_validate(times.to_json())


def letter_of(info: JobInfo) -> DeadLetter:
    return DeadLetter.model_validate(info, from_attributes=True)
