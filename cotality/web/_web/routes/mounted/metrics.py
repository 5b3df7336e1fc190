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
    """The route for Prometheus: ``/metrics``.

    The figures of queues come from the store and are the same in all processes, so let
    Prometheus ask only one of them.

    Args:
        jobs: The jobs whose queues it reports.
        requests: The figures of `CountRequests`; none by default.
        path: The path of the route.
    """
    router = APIRouter(tags=["metrics"])

    @router.get(
        path,
        response_class=Response,
        responses={200: {"content": {MEDIA_TYPE: {"schema": {"type": "string"}}}}},
        summary="The figures of this service",
    )
    async def metrics() -> Response:
        """For Prometheus; also while the store is away, or no file can be written."""
        parts: list[str] = []
        if requests is not None:
            parts.append(await of_requests(requests))
        if jobs is not None:
            parts.append(await of_jobs(jobs))
        return Response("".join(parts), media_type=MEDIA_TYPE)

    return router


async def of_requests(requests: RequestFigures) -> str:
    """What was counted, by all; nothing if that cannot be added up just now."""
    now = requests.figures.as_json()
    try:
        return await asyncio.to_thread(requests.text, now)
    except OSError as error:  # such as of a disk that is full
        logger.warning(
            "what was counted of requests cannot be added up: %s",
            printable(class_and_text(error)),
        )
        return ""


async def of_jobs(jobs: Jobs) -> str:
    try:
        async with asyncio.timeout(STORE_S):
            text = await asyncio.to_thread(text_of, jobs)
    except (StoreError, TimeoutError) as error:
        logger.warning(
            "the store does not say how its queues are: %s",
            printable(class_and_text(error)),
        )
        return f"{UP}cotality_jobs_up 0\n"
    return f"{UP}cotality_jobs_up 1\n{text}"


def text_of(jobs: Jobs) -> str:
    return prometheus_text(jobs.stats(), jobs.times())
