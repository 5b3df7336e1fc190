"""Routes that answer with problems wherever they are mounted."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from .json_bodies import JsonRequest
from .problems import Problem, ProblemError
from .refusing import of_input


class ProblemRoute(APIRoute):
    """A route whose refusals are problems, also in an application of others.

    What other exceptions become is the affair of that application.
    """

    def problem_of(self, request: Request, error: Exception) -> Problem | None:
        """What to answer where *error* was raised; None for what is no refusal."""
        if isinstance(error, ProblemError):
            return error.problem
        if isinstance(error, RequestValidationError):
            return of_input(error, request.headers.get("content-type"))
        return None

    def get_route_handler(
        self,
    ) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What FastAPI calls with each request."""
        handle = super().get_route_handler()

        async def answered(request: Request) -> Response:
            try:
                return await handle(JsonRequest(request.scope, request.receive))
            except Exception as error:
                problem = self.problem_of(request, error)
                if problem is None:
                    raise
                return problem.answer()

        return answered
