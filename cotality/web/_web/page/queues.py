"""The page of queues, jobs and dead letters."""

from __future__ import annotations

from fastapi import APIRouter

from cotality._kit.public import public_in
from cotality.web._web.guard.problem_route import ProblemRoute

from .files import add_page


@public_in("cotality.web")
def queues_page_router(*, prefix: str = "/queues") -> APIRouter:
    """The page that `queues_router` has at ``/queues/page``, by itself.

    For a service that asks for keys in headers: a browser sends none when somebody
    opens a page, so ``queues_router(jobs, page=False)`` is included with the dependency
    that asks for keys, and this without. The page says nothing of anybody; for what it
    shows it asks the other routes, with the key that it asks people for, in the header
    ``X-API-Key``.

    Args:
        prefix: That of the other router.
    """
    router = APIRouter(prefix=prefix, route_class=ProblemRoute)
    add_page(router, "/page", "queues.html")
    return router
