"""How tasks stand: one of them, all of them, and what their items came to."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request, Response
from pydantic import BaseModel, Field

from cotality.web._web.desk.desk import Desk
from cotality.web._web.events.frames import frame
from cotality.web._web.events.streams import Streams
from cotality.web._web.guard.problems import Problem, ProblemError
from cotality.web._web.models.events import TaskEvent
from cotality.web._web.models.kinds import TaskStatus
from cotality.web._web.models.pages import Page
from cotality.web._web.models.tasks import ItemResult, TaskResult

from .answering import RETRY_S, with_root
from .documenting import STREAM, refusals
from .ids import TASK_ID, TASK_PATTERN

EVENT = "task"  # the kind of all events
MOST = 1000  # items, or tasks, of one answer
LONGEST = 200  # characters of a cursor, or of the id of an event

TaskId = Annotated[
    str,
    Path(
        pattern=f"^{TASK_PATTERN}$",
        description="Of a task, as it was given when that was taken.",
    ),
]
Cursor = Annotated[
    str | None,
    Query(
        min_length=1,
        max_length=LONGEST,
        description="The `next_cursor` of the portion before; none for the first one.",
    ),
]
LastEventId = Annotated[
    str | None,
    Header(max_length=LONGEST, description="The id of the last event that was heard."),
]


class Forgotten(BaseModel):
    """How many tasks were forgotten."""

    forgotten: int = Field(description="How many tasks that were over.")


def add_lists(router: APIRouter, desk: Desk) -> None:
    """Add the routes that tell of many tasks, or of many items."""

    @router.get("/results", responses=refusals(404), summary="All tasks")
    async def list_tasks(
        request: Request,
        cursor: Cursor = None,
        limit: Annotated[int, Query(ge=1, le=MOST)] = 50,
        status: Annotated[TaskStatus | None, Query()] = None,
    ) -> Page[TaskResult]:
        """The newest first, without what their items came to."""
        try:
            page = await desk.tasks(cursor=cursor, limit=limit, status=status)
        except ValueError as error:
            raise no_cursor(cursor) from error
        rooted = [with_root(request, each) for each in page.items]
        return Page[TaskResult](items=rooted, next_cursor=page.next_cursor)

    @router.get(
        f"/results/{TASK_ID}/items",
        responses=refusals(404),
        summary="What the items of a task came to",
    )
    async def list_items(
        task_id: TaskId,
        cursor: Cursor = None,
        limit: Annotated[int, Query(ge=1, le=MOST)] = MOST,
    ) -> Page[ItemResult]:
        """Those that are done, by their index."""
        try:
            return await desk.items(task_id, cursor=cursor, limit=limit)
        except ValueError as error:
            raise no_cursor(cursor) from error

    @router.delete(
        "/results", responses=refusals(), summary="Forget all tasks that are over"
    )
    async def forget_tasks() -> Forgotten:
        """With all that their items came to."""
        return Forgotten(forgotten=await desk.forget())


def no_cursor(cursor: str | None) -> ProblemError:
    text = f"cursor {cursor!r} is none of ours: take the next_cursor of a portion"
    return ProblemError(Problem(404, "no-such-cursor", text))


def add_one(router: APIRouter, desk: Desk, streams: Streams) -> None:
    """Add the routes that are about one task."""

    @router.get(
        f"/status/{TASK_ID}", responses=refusals(404), summary="How a task stands"
    )
    async def task_status(
        request: Request,
        response: Response,
        task_id: TaskId,
        results: Annotated[
            int, Query(ge=0, le=MOST, description="How many of the first items.")
        ] = 100,
    ) -> TaskResult:
        """How far it is, and what it came to, once it is over."""
        state = await desk.look(task_id, results=results)
        if not state.status.is_over:
            response.headers["Retry-After"] = f"{RETRY_S:.0f}"
        return with_root(request, state)

    @router.get(
        f"/events/{TASK_ID}",
        response_class=Response,
        responses={**refusals(404), **STREAM},
        summary="Watch a task",
    )
    async def task_events(
        task_id: TaskId, last_event_id: LastEventId = None
    ) -> Response:
        """How it stands, and each change of that, until it is over."""
        heard = number_in(last_event_id)
        state = await desk.look(task_id, results=0)
        changes = desk.changes(task_id, heard)
        if state.status.is_over and heard is not None:
            left = [event async for event in changes]
            if not left:
                return Response(status_code=204)  # so that a browser asks no more
            changes = each_of(left)
        return streams.answer(frames_of(changes))

    @router.delete(f"/{TASK_ID}", responses=refusals(404, 409), summary="Cancel a task")
    async def cancel_task(request: Request, task_id: TaskId) -> TaskResult:
        """End it. What waits never starts, and what runs ends within a second."""
        had_to_end = await desk.cancel(task_id)
        state = await desk.look(task_id, results=0)
        if not had_to_end and state.status is not TaskStatus.CANCELLED:
            text = f"task {task_id} is over: {state.status}"
            raise ProblemError(Problem(409, "is-over", text))
        return with_root(request, state)


def number_in(last_event_id: str | None) -> int | None:
    """The number of an event; None for what cannot be one of ours."""
    if last_event_id is None or not last_event_id.isascii():
        return None
    return int(last_event_id[:18]) if last_event_id.isdigit() else None


async def each_of(events: list[TaskEvent]) -> AsyncGenerator[TaskEvent]:
    for event in events:
        yield event


async def frames_of(changes: AsyncIterator[TaskEvent]) -> AsyncGenerator[bytes]:
    """Changes of a task as a browser reads them."""
    try:
        async for event in changes:
            yield frame(event.model_dump_json(), id=f"{event.id}", kind=EVENT)
    finally:
        if isinstance(changes, AsyncGenerator):
            await changes.aclose()
