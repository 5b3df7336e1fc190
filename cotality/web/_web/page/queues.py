"""The page of queues, jobs and dead letters."""

from __future__ import annotations

from fastapi import APIRouter

from cotality._kit.public import public_in
from cotality.web._web.guard.problem_route import ProblemRoute

from .files import add_page


@public_in("cotality.web")
def queues_page_router(*, prefix: str = "/queues") -> APIRouter:
    """The page that `queues_router` has at ``/queues/page``, by itself.

    Use it in a service that wants keys in headers: a browser sends none when somebody
    opens a page. So include ``queues_router(jobs, page=False)`` with the dependency
    that checks keys, and this router without it. The page itself has no data. It asks
    people for a key, and then the other routes for what it shows, with the key in the
    header ``X-API-Key``.

    Args:
        prefix: The prefix of the other router.
    """
    router = APIRouter(prefix=prefix, route_class=ProblemRoute)
    add_page(router, "/page", "queues.html")
    return router
