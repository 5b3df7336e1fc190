"""How a flow is, as a program is told, and as a terminal shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cotality._kit import units
from cotality._kit.public import public_in

public = public_in("cotality.flow")


@public
@dataclass(frozen=True, slots=True)
class StepStatus:
    """How one step is.

    Attributes:
        name: Of the step.
        depth: How many items wait for a worker of it.
        busy: How many of its workers have an item.
        ready: How many of its workers are started.
        workers: How many there are to be.
        restarts: How many were started in the place of one that had ended.
        is_down: Whether its workers cannot live; a new one is tried every few seconds.
        reason: Why not.
        rate: Items a second, over the last ten seconds.
        batch_size: How many items the handler was called with, on average.
        waited_p50: How long items waited here, in seconds; of the last ten to twenty
            seconds, like the rest.
        handled_p50: How long calls of the handler took, in seconds.
        items: How many items were handled in all.
        failed: How many of these failed.
        pids: The processes of its workers.
    """

    name: str
    depth: int
    busy: int
    ready: int
    workers: int
    restarts: int
    is_down: bool
    reason: str
    rate: float
    batch_size: float
    waited_p50: float
    waited_p99: float
    handled_p50: float
    handled_p99: float
    items: int
    failed: int
    pids: tuple[int, ...]


@public
@dataclass(frozen=True, slots=True)
class FlowStatus:
    """How a flow is.

    Attributes:
        live: Whether the router answers.
        ready: Whether each step has a worker that is started, and items are taken.
        is_draining: Whether no new items are taken.
        pid: Of the router; 0 if there is none.
        waiting: How many items wait, in all steps.
        in_flight: How many calls have no answer yet.
        connections: How many clients there are.
        outcomes: How many calls ended how, by ``"value"``, ``"failure"``, ``"full"``,
            ``"deadline"``, ``"down"``, ``"stopped"`` and ``"cancelled"``.
        uptime: Of the router, in seconds.
        steps: How each step is.
    """

    live: bool = False
    ready: bool = False
    is_draining: bool = False
    pid: int = 0
    waiting: int = 0
    in_flight: int = 0
    connections: int = 0
    outcomes: Mapping[str, int] = field(default_factory=dict[str, int])
    uptime: float = 0.0
    steps: tuple[StepStatus, ...] = ()

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> FlowStatus:  # Any: of several types
        """As the router tells it."""
        fields = dict(told)
        fields["steps"] = tuple(
            StepStatus(**(each | {"pids": tuple(each["pids"])}))
            for each in told["steps"]
        )
        return cls(**fields)

    def __str__(self) -> str:
        return as_text(self)


def as_text(status: FlowStatus) -> str:
    """*status* as a table for a terminal."""
    if not status.live:
        return "nobody answers"
    ended = sum(status.outcomes.values())
    kinds = [f"{kind} {count:,}" for kind, count in status.outcomes.items() if count]
    state = (
        "draining" if status.is_draining else "ready" if status.ready else "not ready"
    )
    head = (
        f"{state}, up for {units.seconds(status.uptime)}, router {status.pid}, "
        f"{units.number(status.connections, 'client')}, "
        f"{status.in_flight:,} in flight\n"
        f"{units.number(ended, 'call')} ended"
        + (f": {', '.join(kinds)}" if kinds else "")
    )
    rows = [HEADINGS, *(row_of(step) for step in status.steps)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = [
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    down = [
        f"{step.name} is down: {step.reason}" for step in status.steps if step.is_down
    ]
    return "\n".join([head, "", *lines, *down])


HEADINGS = (
    *("step", "workers", "busy", "waiting", "items/s", "batch"),
    *("wait p50", "p99", "handle p50", "p99", "items", "failed", "restarts"),
)


def row_of(step: StepStatus) -> tuple[str, ...]:
    return (
        step.name,
        f"{step.ready}/{step.workers}",
        f"{step.busy}",
        f"{step.depth:,}",
        f"{step.rate:,.0f}" if step.rate >= 10 else f"{step.rate:.1f}",
        f"{step.batch_size:.1f}",
        units.seconds(step.waited_p50),
        units.seconds(step.waited_p99),
        units.seconds(step.handled_p50),
        units.seconds(step.handled_p99),
        f"{step.items:,}",
        f"{step.failed:,}",
        f"{step.restarts:,}",
    )
