"""Routes that answer with problems wherever they are mounted."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from .problems import ProblemError
from .refusing import of_input


class ProblemRoute(APIRoute):
    """A route whose refusals are problems, also in an application of others.

    What other exceptions become is the affair of that application.
    """

    def get_route_handler(
        self,
    ) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What FastAPI calls with each request."""
        handle = super().get_route_handler()

        async def answered(request: Request) -> Response:
            try:
                return await handle(request)
            except ProblemError as error:
                return error.problem.answer()
            except RequestValidationError as error:
                kind = request.headers.get("content-type")
                return of_input(error, kind).answer()

        return answered
