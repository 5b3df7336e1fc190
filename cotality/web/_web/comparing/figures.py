"""What was measured on this machine: the parts of an item, and the methods."""

from __future__ import annotations

import platform
import socket
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cotality._kit.struck import is_of_a_signal
from cotality.core.machine import available_cpus
from cotality.web._web.models.comparisons import MachineFigures
from cotality.web._web.models.kinds import TaskType
from cotality.web._web.parts.items import Parts, value_of

TIMES = 15  # that each part is measured


@dataclass(frozen=True, slots=True)
class Pace:
    """How a method does on this machine, beside what is reckoned from its parts.

    Attributes:
        overhead_s: Seconds before its first item.
        ratio: How many times longer it takes than it should, without that.
    """

    overhead_s: float = 0.0
    ratio: float = 1.0

    def seconds(self, reckoned: float) -> float:
        """How long it takes for work that was reckoned to take *reckoned* seconds."""
        return self.overhead_s + self.ratio * reckoned


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured on this machine.

    Attributes:
        cpu_s: Computation for an item, on one CPU.
        query_s: A query, without any delay.
        lookup_s: Likewise a look-up in the cache.
        query_waits: Whether a query waits for a server, rather than compute here.
        lookup_waits: Likewise a look-up.
        measured_at: In seconds since 1970.
        paces: Of methods that were compared here.
        compared_at: When; None if they never were.
    """

    name: str
    cpus: int
    python: str
    cpu_s: float
    query_s: float
    lookup_s: float
    query_waits: bool
    lookup_waits: bool
    measured_at: float
    paces: Mapping[TaskType, Pace] = field(default_factory=dict[TaskType, Pace])
    compared_at: float | None = None

    def pace(self, method: TaskType) -> Pace:
        return self.paces.get(method, Pace())


def machine_name() -> str:
    """What the figures of one machine are kept under."""
    python = platform.python_version()
    return f"{socket.gethostname()}, {available_cpus()} CPUs, Python {python}"


def measured(database: str, redis_url: str | None) -> Figures:
    """Measure the parts of an item here and now; takes about 50 ms.

    The quickest of several times counts: whatever else runs makes them longer. What
    cannot be asked counts as nothing.
    """
    parts = Parts(database, redis_url)
    try:
        return Figures(
            name=machine_name(),
            cpus=available_cpus(),
            python=platform.python_version(),
            cpu_s=least(lambda index: value_of(index, index, 1)),
            query_s=usual(parts.measurements.total),
            lookup_s=usual(parts.cache.factor),
            query_waits=not parts.measurements.is_file,
            lookup_waits=redis_url is not None,
            measured_at=time.time(),
        )
    finally:
        parts.close()


def least(do: Callable[[int], object]) -> float:
    return min(times_of(do))


def usual(do: Callable[[int], object]) -> float:
    """The median, for what waits for others; 0 if it cannot be done."""
    try:
        do(0)  # which connects
        return statistics.median(times_of(do))
    except Exception as error:
        if is_of_a_signal(error):
            raise
        return 0.0  # the health of the service says so, in words


def times_of(do: Callable[[int], object]) -> list[float]:
    found: list[float] = []
    for index in range(TIMES):
        start = time.perf_counter()
        do(index)
        found.append(time.perf_counter() - start)
    return found


def as_model(figures: Figures) -> MachineFigures:
    """As people see them."""
    return MachineFigures(
        name=figures.name,
        cpus=figures.cpus,
        python=figures.python,
        cpu_seconds_per_item=figures.cpu_s,
        query_seconds=figures.query_s,
        lookup_seconds=figures.lookup_s,
        measured_at=datetime.fromtimestamp(figures.measured_at, UTC).isoformat(
            timespec="seconds"
        ),
    )


def as_plain(figures: Figures) -> dict[str, Any]:  # Any: of JSON
    """As they are stored."""
    return {
        "name": figures.name,
        "cpus": figures.cpus,
        "python": figures.python,
        "cpu_s": figures.cpu_s,
        "query_s": figures.query_s,
        "lookup_s": figures.lookup_s,
        "query_waits": figures.query_waits,
        "lookup_waits": figures.lookup_waits,
        "measured_at": figures.measured_at,
        "paces": {
            f"{method}": [pace.overhead_s, pace.ratio]
            for method, pace in figures.paces.items()
        },
        "compared_at": figures.compared_at,
    }


def from_plain(stored: Mapping[str, Any]) -> Figures:  # Any: likewise
    paces: dict[TaskType, Pace] = {
        TaskType(name): Pace(*pace) for name, pace in stored["paces"].items()
    }
    given: dict[str, Any] = {**stored}  # Any: likewise
    del given["paces"]
    return Figures(paces=paces, **given)
