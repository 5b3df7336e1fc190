"""What other services send, over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, cast

from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect

from cotality._kit.public import public_in
from cotality.jobs.webhooks import Answer, Receiver
from cotality.web._web.guard.bodies import check_length, limited
from cotality.web._web.guard.problems import declared
from cotality.web._web.routes.answering import Route

from .jobs import check_name

OPENAPI: dict[int | str, dict[str, Any]] = {  # Any: of OpenAPI
    200: {"description": "It is stored, or was before.", "content": {}},
    401: {"description": "It is not signed as it should be.", "content": {}},
    400: {"description": "It is not an event.", "content": {}},
}


@public_in("cotality.web")
def webhooks_router(
    receivers: Mapping[str, Receiver], *, prefix: str = "/webhooks"
) -> APIRouter:
    """Routes that take webhooks: ``POST /webhooks/stripe``.

    An answer of 200 means that the event is stored. While it cannot be stored, the
    answer is 503 or 500, and the sender tries again.

    Args:
        receivers: The receivers, by their names in paths. Each needs a ``store``, which
            may be asynchronous and otherwise runs in a thread.
        prefix: The path before all routes.

    Raises:
        TypeError: A receiver has no ``store``.
        ValueError: A name cannot be part of a path.
    """
    router = APIRouter(prefix=prefix, tags=["webhooks"], route_class=Route)
    for name, receiver in receivers.items():
        check_name(name)
        receiver.checked_store()
        router.add_api_route(
            f"/{name}",
            taking(receiver),
            methods=["POST"],
            response_class=Response,
            responses={**declared(413, 503), **OPENAPI},
            summary=f"A webhook of {name}",
            operation_id=f"webhook_{name}",
        )
    return router


def taking(receiver: Receiver) -> Callable[..., Coroutine[Any, Any, Response]]:
    """The function of the route."""

    async def take(request: Request) -> Response:
        check_length(request.headers, receiver.max_body)
        try:
            body = await limited(request.stream(), receiver.max_body)
        except ClientDisconnect:
            return Response(status_code=400)  # which nobody hears
        answer = await answer_to(receiver, request, body)
        return Response(answer.text, answer.status, media_type="application/json")

    return take


async def answer_to(receiver: Receiver, request: Request, body: bytes) -> Answer:
    event = receiver.received(request.headers, body)
    if isinstance(event, Answer):
        return event
    # In a thread, for most wait there for a disk. What it gives may be awaitable all
    # the same, and an event that nobody awaits would be lost.
    stored = await asyncio.to_thread(receiver.checked_store(), event)
    if isinstance(stored, Awaitable):
        await cast("Awaitable[object]", stored)
    return Answer(200, {"status": "received"})
