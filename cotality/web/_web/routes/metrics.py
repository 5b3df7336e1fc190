"""The figures of a service, for Prometheus."""

from __future__ import annotations

import asyncio
import logging

from fastapi import APIRouter, Response

from cotality._kit.public import public_in
from cotality._kit.safe_text import class_and_text, printable
from cotality.jobs import Jobs, StoreError
from cotality.jobs.health import prometheus_text

from .adding_up import RequestFigures

logger = logging.getLogger("cotality.web")

MEDIA_TYPE = "text/plain; version=0.0.4"
STORE_S = 5.0  # that a store may take to say how its queues are
UP = """\
# HELP cotality_jobs_up Whether the store of jobs answers.
# TYPE cotality_jobs_up gauge
"""


@public_in("cotality.web")
def metrics_router(
    jobs: Jobs | None = None,
    *,
    requests: RequestFigures | None = None,
    path: str = "/metrics",
) -> APIRouter:
    """The route that Prometheus asks: ``/metrics``.

    What it says of queues is true for the store, so ask one process for it, and not
    each of several.

    Args:
        jobs: Whose queues it tells of.
        requests: What `CountRequests` has counted; none by default.
        path: Where it is.
    """
    router = APIRouter(tags=["metrics"])

    @router.get(
        path,
        response_class=Response,
        responses={200: {"content": {MEDIA_TYPE: {"schema": {"type": "string"}}}}},
        summary="The figures of this service",
    )
    async def metrics() -> Response:
        """For Prometheus; answered also while the store of jobs is away."""
        parts: list[str] = []
        if requests is not None:
            now = requests.figures.as_json()
            parts.append(await asyncio.to_thread(requests.text, now))
        if jobs is not None:
            parts.append(await of_jobs(jobs))
        return Response("".join(parts), media_type=MEDIA_TYPE)

    return router


async def of_jobs(jobs: Jobs) -> str:
    try:
        async with asyncio.timeout(STORE_S):
            stats = await asyncio.to_thread(jobs.stats)
    except (StoreError, TimeoutError) as error:
        logger.warning(
            "the store does not say how its queues are: %s",
            printable(class_and_text(error)),
        )
        return f"{UP}cotality_jobs_up 0\n"
    return f"{UP}cotality_jobs_up 1\n{prometheus_text(stats)}"
