"""How a flow is, over HTTP."""

from __future__ import annotations

from typing import Protocol

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from cotality._kit.public import public_in
from cotality.flow import FlowError, FlowStatus
from cotality.web._web.guard.problems import (
    Problem,
    ProblemError,
    declared,
    wait_header,
)
from cotality.web._web.routes.answering import Route

AGAIN_S = 5.0  # after which somebody may answer
METRICS = "text/plain; version=0.0.4"


class FlowStep(BaseModel):
    """How one step is; times in seconds, of the last ten to twenty seconds."""

    name: str
    depth: int = Field(description="How many items wait for a worker of it.")
    busy: int = Field(description="How many of its workers have an item.")
    ready: int = Field(description="How many of its workers are started.")
    workers: int = Field(description="How many there are to be.")
    restarts: int
    is_down: bool = Field(description="Whether its workers cannot live.")
    reason: str
    rate: float = Field(description="Items a second.")
    batch_size: float
    waited_p50: float
    waited_p99: float
    handled_p50: float
    handled_p99: float
    items: int
    failed: int


class FlowState(BaseModel):
    """How a flow is."""

    state: str = Field(description="`ready`, `not ready` or `draining`.")
    waiting: int = Field(description="How many items wait, in all steps.")
    in_flight: int = Field(description="How many calls have no answer yet.")
    connections: int
    outcomes: dict[str, int] = Field(description="How many calls have ended, by how.")
    uptime: float
    steps: list[FlowStep]


class Flowing(Protocol):
    """A `Flow`, or a `FlowClient`."""

    async def status_async(self) -> FlowStatus:
        """How it is; not ``live`` if nobody answers."""
        ...

    async def metrics(self) -> str:
        """Its figures as a text for Prometheus."""
        ...


@public_in("cotality.web")
def flow_router(flow: Flowing, *, prefix: str = "/flow") -> APIRouter:
    """Routes with the state of a flow: ``/flow``, and ``/flow/metrics`` for Prometheus.

    Both answer 503 while the flow does not answer.

    Args:
        flow: A `FlowClient`, or the `Flow` itself if it runs in this process.
        prefix: The path of the first route.
    """
    router = APIRouter(prefix=prefix, tags=["flow"], route_class=Route)

    @router.get("", responses=declared(503), summary="How the flow is")
    async def flow_status() -> FlowState:
        """Its steps, what waits, and how calls have ended."""
        status = await flow.status_async()
        if not status.live:
            raise away()
        return FlowState.model_validate(status, from_attributes=True)

    @router.get(
        "/metrics",
        response_class=Response,
        responses={**declared(503), 200: {"content": {METRICS: {}}}},
        summary="The figures of the flow",
    )
    async def flow_metrics() -> Response:
        """For Prometheus."""
        try:
            return Response(await flow.metrics(), media_type=METRICS)
        except (FlowError, ConnectionError, TimeoutError) as error:
            raise away() from error

    return router


def away() -> ProblemError:
    text = "nobody answers for the flow"
    return ProblemError(Problem(503, "flow-away", text, wait_header(AGAIN_S)))
