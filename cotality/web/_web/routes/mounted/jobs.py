"""Jobs over HTTP: enqueued with 202, watched, and cancelled."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Annotated, Any, TypeAlias

from fastapi import APIRouter, Header, Path, Request, Response
from pydantic import BaseModel, Field

from cotality._kit.public import public_in
from cotality.jobs import AsyncJob, Job, JobHandle, Jobs, JobStatus, NotStorableError
from cotality.web._web.events.streams import Streams
from cotality.web._web.guard.problems import Problem, ProblemError, declared
from cotality.web._web.routes.answering import RETRY_S, Route, accepted, in_thread
from cotality.web._web.routes.documenting import STREAM
from cotality.web._web.routes.ids import JOB_ID, JOB_ID_BEFORE

from .job_board import JobBoard, JobState
from .offering import arguments_in, arguments_model

AnyJob: TypeAlias = "Job[..., Any] | AsyncJob[..., Any]"  # Any: of any function
LONGEST = 200  # characters of a header


class AcceptedJob(BaseModel):
    """A job that was taken."""

    id: str
    status: JobStatus
    url: str = Field(description="Where its status is.")


JobId = Annotated[str, Path(description="Of a job, as it was given with 202.")]
IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=LONGEST,
        description="The same for each repetition of one request: it gives one job.",
    ),
]
LastEventId = Annotated[
    str | None,
    Header(max_length=LONGEST, description="The id of the last event that was heard."),
]


@public_in("cotality.web")
def jobs_router(
    jobs: Jobs,
    offer: Mapping[str, AnyJob] | None = None,
    *,
    show: Iterable[AnyJob] = (),
    prefix: str = "/jobs",
    streams: Streams | None = None,
) -> APIRouter:
    """Routes by which jobs are enqueued, watched and cancelled.

    ``POST /jobs/thumbnail`` with the arguments as JSON is answered with 202, and with
    ``Location`` and ``Retry-After``; ``GET`` there is the status, ``/events`` behind it
    a stream of changes, ``DELETE`` cancels. With an ``Idempotency-Key`` a request that
    is repeated gives the same job; one with other arguments is refused with 422.

    Your application decides who may call them:
    ``app.include_router(router, dependencies=[...])``. Only jobs of the functions named
    here can be seen.

    Args:
        jobs: The queue.
        offer: The jobs that clients may enqueue, by their names in paths. Arguments are
            checked against the annotations of the function.
        show: Further jobs that clients may look at and cancel.
        prefix: The path before all routes.
        streams: How many streams of events there may be, if several routers share that.

    Raises:
        TypeError: The arguments of a job cannot be checked; the text says why.
        ValueError: A name cannot be part of a path.
    """
    offered = dict(offer or {})
    board = JobBoard(jobs, {each.name for each in (*offered.values(), *show)})
    router = APIRouter(prefix=prefix, tags=["jobs"], route_class=Route)
    for name, job in offered.items():
        check_name(name)
        router.add_api_route(
            f"/{name}",
            enqueues(name, job),
            methods=["POST"],
            status_code=202,
            response_model=AcceptedJob,
            responses=declared(422, 400, 415, 503),
            summary=f"Enqueue {name}",
            description=(job.__doc__ or "").partition("\n\n")[0].strip(),
            operation_id=f"enqueue_{name}",
        )
    # An id may have slashes in it, so what stands behind it comes first.
    add_events(router, board, Streams() if streams is None else streams)
    add_status(router, board)
    return router


def check_name(name: str) -> None:
    if not (name.isascii() and name.replace("-", "").replace("_", "").isalnum()):
        raise ValueError(
            f"a job is offered under a name of letters, digits, - and _, got {name!r}"
        )


def enqueues(name: str, job: AnyJob) -> Callable[..., Coroutine[Any, Any, AcceptedJob]]:
    """The function of the route that enqueues *job*."""

    async def enqueue(
        request: Request,
        response: Response,
        arguments: BaseModel,
        idempotency_key: IdempotencyKey = None,
    ) -> AcceptedJob:
        once = job.using(job_id=job_id_of(name, idempotency_key))
        try:
            handle: JobHandle[Any] = await once.enqueue(**arguments_in(arguments))
        except NotStorableError as error:
            raise ProblemError(Problem(422, "not-storable", f"{error}")) from error
        if idempotency_key is not None:
            await in_thread(check_repeated, job, handle, arguments_in(arguments))
        url = f"{request.url.path.rpartition('/')[0]}/{handle.id}"
        response.headers.update(accepted(url))
        return AcceptedJob(id=handle.id, status=await handle.status(), url=url)

    enqueue.__annotations__["arguments"] = arguments_model(name, job.function)
    return enqueue


def job_id_of(name: str, key: str | None) -> str | None:
    """The id of the job that a request with this key makes, each time it comes."""
    if key is None:
        return None
    return f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:32]}"


def check_repeated(
    job: AnyJob,
    handle: JobHandle[Any],  # Any: of any function
    given: Mapping[str, Any],  # Any: likewise
) -> None:
    """See that a key was not used for something else before.

    Raises:
        ProblemError: It was: this request is none that is repeated.
    """
    codec = job.definition.codec
    stored, text = handle.info_sync().arguments, codec.arguments_text((), given)
    # A set is not always written in the same order.
    if stored == text or codec.arguments_of(stored) == codec.arguments_of(text):
        return
    raise ProblemError(
        Problem(
            422,
            "key-reused",
            f"this Idempotency-Key was sent with other arguments before, for job "
            f"{handle.id}: a new request needs a key of its own",
        )
    )


def add_events(router: APIRouter, board: JobBoard, streams: Streams) -> None:
    @router.get(
        f"/{JOB_ID_BEFORE}/events",
        response_class=Response,
        responses={**declared(422, 404, 503), **STREAM},
        summary="Watch a job",
    )
    async def watch_job(job_id: JobId, last_event_id: LastEventId = None) -> Response:
        """How it stands, and each change of that, until it is over."""
        state = await board.state(job_id)
        if state.status.is_over and state.number == last_event_id:
            return Response(status_code=204)  # so that a browser asks no more
        return streams.answer(board.frames(job_id, last_event_id))


def add_status(router: APIRouter, board: JobBoard) -> None:
    @router.get(
        f"/{JOB_ID}",
        responses=declared(422, 404, 503),
        summary="The status of a job",
    )
    async def job_status(job_id: JobId, response: Response) -> JobState:
        """How it stands; what it has returned, once it has."""
        state = await board.state(job_id)
        if not state.status.is_over:
            response.headers["Retry-After"] = f"{RETRY_S:.0f}"
        return state

    @router.delete(
        f"/{JOB_ID}",
        responses=declared(422, 404, 409, 503),
        summary="Cancel a job",
    )
    async def cancel_job(job_id: JobId) -> JobState:
        """End it. One that waits never starts; one that runs ends within a second."""
        await board.state(job_id)  # whether it may be seen
        had_to_end = await board.jobs.handle(job_id).cancel()
        state = await board.state(job_id)
        if not had_to_end and state.status is not JobStatus.CANCELLED:
            raise ProblemError(
                Problem(409, "is-over", f"job {job_id} is over: {state.status}")
            )
        return state
