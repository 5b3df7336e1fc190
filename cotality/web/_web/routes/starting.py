"""Tasks are asked for: each method has a route of its own."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request, Response

from cotality.web._web.desk.desk import Desk
from cotality.web._web.guard.door import owner_of
from cotality.web._web.models.configs import TaskConfig
from cotality.web._web.models.kinds import TaskType
from cotality.web._web.models.tasks import TaskResponse, TaskResult

from .documenting import LINKS, WHERE_AND_WHEN, refusals, taken
from .offers import OFFERS, TASKS, Offer
from .waiting import Waiting, taken_answer

Endpoint = Callable[..., Coroutine[Any, Any, TaskResult | Response]]


def add_starts(
    router: APIRouter, desk: Desk, waiting: Waiting, *, sync_limit_s: float
) -> None:
    """Add the routes that start tasks to *router*."""
    for each in OFFERS:
        if each.method is not TaskType.BACKGROUND:
            add_start(router, each, doing(each.method, desk, waiting, sync_limit_s))

    @router.post(
        "/background",
        status_code=202,
        response_model=TaskResponse,
        responses={
            202: {"headers": WHERE_AND_WHEN, "links": LINKS},
            **refusals(body=True),
        },
        summary="Do items in the background",
    )
    async def start_background(request: Request, config: TaskConfig) -> Response:
        """Any of the others as a job, which survives a restart of the service."""
        task = await desk.start(TaskType.BACKGROUND, config, owner=owner_of(request))
        return taken_answer(request, task)


def add_start(router: APIRouter, offer: Offer, endpoint: Endpoint) -> None:
    router.add_api_route(
        offer.path.removeprefix(TASKS),
        endpoint,
        methods=["POST"],
        response_model=TaskResult,
        responses={
            200: {"links": LINKS},
            **taken(TaskResponse, LINKS),
            **refusals(409, 500, body=True),
        },
        summary=f"Do items: {offer.title}",
        description=f"{offer.description} Best for: {offer.best_for}\n\nThe answer is "
        f"what it came to, or 202 if that takes too long to wait for. A client that "
        f"hangs up while it waits has cancelled the task.",
        operation_id=f"start_{offer.method}",
    )


def doing(
    kind: TaskType, desk: Desk, waiting: Waiting, sync_limit_s: float
) -> Endpoint:
    """The function of the route of one method."""

    async def do(request: Request, config: TaskConfig) -> TaskResult | Response:
        task = await desk.start(kind, config, owner=owner_of(request))
        return await waiting.answer(request, task, sync_limit_s)

    return do
