"""What is told of a flow and of its steps, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

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


@dataclass(frozen=True, slots=True)
class FlowFields:
    """What a `FlowStatus` has, and whoever shows one needs."""

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

    @property
    def state(self) -> str:
        """``"ready"``, ``"not ready"``, ``"draining"`` or ``"gone"``."""
        if not self.live:
            return "gone"
        if self.is_draining:
            return "draining"
        return "ready" if self.ready else "not ready"
