"""What the router reports about itself: as JSON, and as text for Prometheus."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cotality.flow._flow.figures import prometheus

from .desk import Desk
from .station import Station


def status(
    desk: Desk, stations: Sequence[Station], now: float
) -> dict[str, Any]:  # Any: of several types
    """The fields of a `FlowStatus` that the desk and the steps know."""
    steps = [of_step(station, now) for station in stations]
    return {
        "live": True,
        "ready": not (desk.is_closed or desk.down)
        and all(step.is_ready() for step in stations),
        "is_draining": bool(desk.is_closed),
        "waiting": desk.waiting,
        "in_flight": desk.alive,
        "outcomes": desk.counts.kinds,
        "steps": steps,
    }


def of_step(station: Station, now: float) -> dict[str, Any]:  # Any: as above
    counts = station.counts
    counts.turn(now)
    waited, handled = counts.waited, counts.handled
    return {
        "name": station.plan.name,
        "depth": station.line.waiting,
        "busy": sum(bool(seat.held) for seat in station.seats),
        "ready": len(station.ready_seats()),
        "workers": station.plan.workers,
        "restarts": counts.restarts,
        "is_down": station.is_down,
        "reason": station.reason if station.is_down else "",
        "rate": counts.rate.value(now),
        "batch_size": counts.items / counts.calls if counts.calls else 0.0,
        "waited_p50": waited.quantile(0.5),
        "waited_p99": waited.quantile(0.99),
        "handled_p50": handled.quantile(0.5),
        "handled_p99": handled.quantile(0.99),
        "items": counts.items,
        "failed": counts.failed,
        "pids": [seat.pid for seat in station.seats],
    }


def metrics(desk: Desk, stations: Sequence[Station]) -> str:
    """The same for Prometheus."""
    gauges: list[tuple[str, dict[str, float]]] = [
        (
            station.plan.name,
            {
                "waiting": station.line.waiting,
                "in_flight": sum(len(seat.held) for seat in station.seats),
                "workers": len(station.ready_seats()),
                "down": int(station.is_down),
            },
        )
        for station in stations
    ]
    counts = [(station.plan.name, station.counts) for station in stations]
    return prometheus.text_of(desk.counts, counts, gauges)
