"""The page of the service."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from cotality.web._web.guard.problem_route import ProblemRoute

from .files import READS, add_page, all_files


def page_router() -> APIRouter:
    """``/``, and what it is made of.

    It says nothing of anybody: all that is to be known it asks the service for, with
    the key of whoever looks at it.
    """
    router = APIRouter(route_class=ProblemRoute)
    add_page(router, "/", "index.html")

    @router.api_route("/favicon.ico", methods=READS, include_in_schema=False)
    async def icon(request: Request) -> Response:
        return all_files()["favicon.svg"].answer(request)

    return router
