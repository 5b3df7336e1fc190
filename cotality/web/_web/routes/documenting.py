"""Words of OpenAPI that several routes say."""

from __future__ import annotations

from typing import Any, TypeAlias

from pydantic import BaseModel

from cotality.web._web.events.frames import MEDIA_TYPE
from cotality.web._web.guard.problems import declared

Responses: TypeAlias = dict[int | str, dict[str, Any]]  # Any: of OpenAPI

# What the door, the bodies and the shield may answer, whatever is asked for.
ANYWHERE = (401, 403, 429)
WITH_BODY = (400, 408, 413, 415)

EVENT = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "description": "What to say as `Last-Event-ID`."},
        "event": {"type": "string"},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
}
STREAM: Responses = {
    200: {
        "description": "A stream of events.",
        "content": {MEDIA_TYPE: {"schema": EVENT}},
    },
    204: {"description": "It is over, and its last event was heard."},
}
WHERE_AND_WHEN: dict[str, Any] = {  # Any: of OpenAPI
    "Location": {
        "description": "Where its status is.",
        "schema": {"type": "string", "format": "uri-reference"},
    },
    "Retry-After": {
        "description": "Seconds after which to look.",
        "schema": {"type": "integer", "minimum": 1},
    },
}


def refusals(*statuses: int, body: bool = False) -> Responses:
    """How a route of the service refuses, the door of the service included."""
    more = WITH_BODY if body else ()
    return declared(422, *sorted({*statuses, *ANYWHERE, *more, 503}))


def links_to(**operations: str) -> dict[str, Any]:  # Any: of OpenAPI
    """What can be asked for with the id of a task in an answer."""
    return {
        name: {
            "operationId": operation,
            "parameters": {"task_id": "$response.body#/task_id"},
        }
        for name, operation in operations.items()
    }


LINKS = links_to(
    status="task_status", events="task_events", items="list_items", cancel="cancel_task"
)
COMPARING = LINKS | links_to(comparison="get_comparison")


def taken(model: type[BaseModel], links: dict[str, Any]) -> Responses:  # Any: likewise
    """That a task was taken, and goes on by itself."""
    return {
        202: {
            "description": "It is taken; look there for how it stands.",
            "model": model,
            "headers": WHERE_AND_WHEN,
            "links": links,
        }
    }
