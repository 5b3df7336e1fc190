"""What all routes do alike: how they refuse, and where they wait for a disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from pydantic import BaseModel
from starlette.requests import Request

from cotality._kit.safe_text import printable
from cotality.jobs import KeyTakenError, StoreError, UnknownJobError
from cotality.web._web.desk.errors import (
    QueueFullError,
    TooManyTasksError,
    UnknownTaskError,
)
from cotality.web._web.guard.problem_route import ProblemRoute
from cotality.web._web.guard.problems import Problem, wait_header

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

AWAY_S = 5.0  # after which a store that refuses may be well again
RETRY_S = 1.0  # between two looks of a client that asks for the status


class Route(ProblemRoute):
    """A route that answers what jobs and the desk refuse, wherever it is mounted."""

    def problem_of(self, request: Request, error: Exception) -> Problem | None:
        """What to answer where *error* was raised; None for what is no refusal."""
        return super().problem_of(request, error) or refusal_of(error)


def refusal_of(error: Exception) -> Problem | None:
    """What to answer where jobs or the desk refuse; None for other errors."""
    text = printable(str(error), lines=True)
    match error:
        case UnknownTaskError() | UnknownJobError():
            return Problem(404, "unknown", text)
        case KeyTakenError():
            return Problem(409, "key-taken", text)
        case QueueFullError():
            return Problem(503, "queue-full", text, wait_header(error.retry_after))
        case TooManyTasksError():
            return Problem(429, "too-many-tasks", text, wait_header(error.retry_after))
        case StoreError():
            # Its text may name the place of the store: for our log, not for strangers.
            return Problem(
                503,
                "store-away",
                "the store of tasks cannot be used just now; come again",
                wait_header(AWAY_S),
            )
        case _:
            return None


async def in_thread(do: Callable[..., T], *given: object) -> T:
    """What *do* returns, which waits for a disk or a network."""
    return await asyncio.to_thread(do, *given)


def accepted(path: str, *, wait_s: float = RETRY_S) -> dict[str, str]:
    """The headers of an answer that says: it is taken, look there, and when."""
    return {"Location": path, **wait_header(wait_s)}


URLS = ("status_url", "results_url")


def with_root(request: Request, told: M) -> M:
    """*told* with its URLs as the client sees them, also below a proxy's path."""
    root = str(request.scope.get("root_path", "")).rstrip("/")
    fields = {name: getattr(told, name, None) for name in URLS}
    urls = {name: f"{root}{path}" for name, path in fields.items() if path is not None}
    return told.model_copy(update=urls) if root else told
