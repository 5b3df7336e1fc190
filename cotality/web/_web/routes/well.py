"""Whether the service is well, and whom it serves."""

from __future__ import annotations

from fastapi import APIRouter, Response
from pydantic import Field

from cotality.web._web.desk.desk import Desk
from cotality.web._web.guard.rates import Rates
from cotality.web._web.models.health import Condition, Health, Part

from .answering import Route
from .documenting import refusals


class ServiceHealth(Health):
    """The service and its parts."""

    version: str
    needs_key: bool = Field(
        description="Whether requests need an API key; otherwise only this machine is "
        "served."
    )
    serves: str = Field(description="Whom it serves, in words.")


def well_router(
    desk: Desk, rates: Rates, *, needs_key: bool, version: str
) -> APIRouter:
    """The route that says how the service and its parts are."""
    router = APIRouter(tags=["health"], route_class=Route)
    serves = "whoever has a key" if needs_key else "this machine alone"

    @router.get(
        "/health",
        responses={**refusals(), 503: {"model": ServiceHealth}},
        summary="How the service is",
    )
    async def health(response: Response) -> ServiceHealth:
        """How it and its parts are; 503 if it cannot work."""
        told = await desk.health()
        status, parts = told.status, list(told.parts)
        if rates.there is not None:
            parts.append(of_rates(rates))
            if rates.is_degraded and status is Condition.OK:
                status = Condition.DEGRADED
        response.status_code = 503 if status is Condition.DOWN else 200
        return ServiceHealth(
            status=status,
            is_ready=told.is_ready,
            parts=parts,
            pending=told.pending,
            running=told.running,
            version=version,
            needs_key=needs_key,
            serves=serves,
        )

    return router


def of_rates(rates: Rates) -> Part:
    if rates.is_degraded:
        text = "the server is away: each process counts by itself"
        return Part(name="rates", status=Condition.DEGRADED, detail=text)
    return Part(name="rates", status=Condition.OK)
