"""What every refusal looks like: JSON of the kind ``application/problem+json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"
URN = "urn:cotality:problem:"


class FieldProblem(BaseModel):
    """What is wrong with one field of a request."""

    field: str = Field(description="Where it is, such as `body.items_count`.")
    value: Any = Field(  # Any: whatever was sent, as far as JSON can say it
        description="What was sent; the beginning of it, if that is long."
    )
    problem: str = Field(description="What is wrong with it.")
    limit: dict[str, Any] = Field(  # Any: numbers and texts
        default_factory=dict[str, Any],
        description="What is allowed, such as `{'le': 100000}`.",
    )


class CotalityProblem(BaseModel):
    """Why a request is not done, as RFC 9457 says it."""

    model_config = ConfigDict(extra="allow", title="Problem")

    type: str = Field(description=f"Which kind, for programs: `{URN}` and a name.")
    title: str = Field(description="What the status means.")
    status: int
    detail: str = Field(description="What is wrong here, and what to do.")
    errors: list[FieldProblem] | None = None


@dataclass(frozen=True)
class Problem:
    """Why a request is not done.

    Attributes:
        status: Of the answer.
        kind: For programs, such as ``"queue-full"``.
        detail: For people: what is wrong, and what to do.
        headers: More headers of the answer.
        more: More fields of it.
    """

    status: int
    kind: str
    detail: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    more: Mapping[str, object] = field(default_factory=dict[str, object])

    def body(self) -> bytes:
        """The answer as JSON, in ASCII: some texts cannot be written as UTF-8."""
        told = {
            "type": f"{URN}{self.kind}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            **self.more,
        }
        return json.dumps(told, allow_nan=False).encode("ascii")

    def answer(self) -> Response:
        """The answer, to be returned or to be called."""
        return Response(
            self.body(), self.status, dict(self.headers), media_type=MEDIA_TYPE
        )


class ProblemError(Exception):
    """Raised where a request is not to be done."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.problem = problem


def wait_header(seconds: float) -> dict[str, str]:
    """Says after how many seconds to come again: whole ones, and at least one."""
    return {"Retry-After": f"{max(1, -int(-seconds // 1)):d}"}


WORDS = {
    400: "The body cannot be read.",
    401: "There is no key, or a wrong one.",
    403: "Not from there: without keys only this machine is served.",
    404: "There is none, or none any more.",
    405: "Not by this method.",
    408: "The body did not come in time.",
    409: "Not as it stands.",
    413: "The body is too large.",
    415: "The body has to be JSON, and to say so.",
    422: "A value is outside of its limits.",
    429: "Too many requests; `Retry-After` says when to come again.",
    500: "A fault of ours.",
    503: "Too much waits, or something is away; `Retry-After` says when to come again.",
}
CONTENT = {
    MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/CotalityProblem"}},
}


def declared(*statuses: int) -> dict[int | str, dict[str, Any]]:  # Any: of OpenAPI
    """The refusals of a route, for OpenAPI.

    The first one brings the model along, to which all others only refer.
    """
    found: dict[int | str, dict[str, Any]] = {}
    for status in statuses:
        found[status] = {"description": WORDS[status], "content": CONTENT}
        if status in (401, 408, 429, 503):
            found[status]["headers"] = HEADERS[status]
    if statuses:
        found[statuses[0]] |= {"model": CotalityProblem}
    return found


RETRY_AFTER = {
    "Retry-After": {
        "description": "Seconds after which to come again.",
        "schema": {"type": "integer", "minimum": 1},
    }
}
HEADERS: dict[int, dict[str, Any]] = {
    401: {
        "WWW-Authenticate": {
            "description": "By what a key is sent.",
            "schema": {"type": "string"},
        }
    },
    408: {},
    429: RETRY_AFTER,
    503: RETRY_AFTER,
}
