"""What the items of some work are like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from cotality._kit.public import public_in
from cotality.core.calls import name_of_function
from cotality.core.estimates import BUSY_PROGRAMS, Figures, Sample
from cotality.core.machine import size_of

if TYPE_CHECKING:
    from cotality.core.utils.process import Outcome

WorkloadType: TypeAlias = Literal["cpu_bound", "io_bound", "mixed"]

# The part of its time that an item keeps a CPU busy for, from which on it computes, and
# below which it waits.
COMPUTES = 0.8
WAITS = 0.2
SIZED = 16  # items and results whose size is looked at


@public_in("cotality.tuning")
@dataclass(frozen=True, slots=True)
class Profile:
    """What the items of some work are like, measured on the first of them.

    Attributes:
        function: The name of the function.
        workload_type: ``"cpu_bound"`` if an item computes for at least 80 % of its
            time, ``"io_bound"`` if it waits for at least 80 %, else ``"mixed"``.
        seconds_per_item: How long an item takes when it runs alone.
        cpu_seconds_per_item: The CPU time of such an item.
        lock: The part of the CPU time, from 0 to 1, in which an item holds the
            interpreter's lock, so that no other thread can run Python code. 1.0 if that
            was not measured.
        transport_seconds_per_item: How long it takes to send an item to another
            process, and its result back.
        item_bytes: How much memory an item takes.
        result_bytes: How much memory its result takes.
        obstacle: Why items cannot be sent to another process; usually empty.
        items_seen: How many items were measured.
        items_failed: How many of these have failed.
        busy_programs: How many threads of other programs wanted a CPU meanwhile.
    """

    function: str
    workload_type: WorkloadType
    seconds_per_item: float
    cpu_seconds_per_item: float
    lock: float
    transport_seconds_per_item: float
    item_bytes: int
    result_bytes: int
    obstacle: str
    items_seen: int
    items_failed: int
    busy_programs: float = 0.0

    @classmethod
    def of_sample(cls, function: object, sample: Sample) -> Profile:
        outcomes = sample.outcomes
        return cls(
            name_of_function(function),
            workload_type(sample.figures),
            sample.figures.wall,
            sample.figures.cpu,
            sample.figures.lock,
            sample.figures.transport,
            mean_size([argument_of(each) for each in outcomes[:SIZED]]),
            mean_size([each.value for each in outcomes[:SIZED]]),
            sample.obstacle,
            len(outcomes),
            sum(not each.ok for each in outcomes),
            sample.figures.others,
        )

    @property
    def is_of_busy_machine(self) -> bool:
        """Whether other programs wanted the CPUs during the measurement."""
        return self.busy_programs >= BUSY_PROGRAMS


def workload_type(figures: Figures) -> WorkloadType:
    if figures.computing >= COMPUTES:
        return "cpu_bound"
    return "io_bound" if figures.computing <= WAITS else "mixed"


def argument_of(outcome: Outcome[Any]) -> object:  # Any: a task of any result type
    """The item of which a task was made."""
    task = outcome.task
    if len(task.positional) == 1:
        return task.positional[0]
    return task.arguments or task.positional


def mean_size(things: Sequence[object]) -> int:
    return sum(map(size_of, things)) // len(things) if things else 0
