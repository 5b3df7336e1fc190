"""Measures the tasks of a portion while they run, for whoever wants to know."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sized
from time import perf_counter, thread_time
from typing import Any, NamedTuple

from .times import Measure, Times


class Columns(NamedTuple):
    """Where times are noted, by the position of the task; zeros at first.

    That may be memory that outlives the worker, so that its death spares them.
    """

    began: memoryview[float]
    ended: memoryview[float]
    cpu: memoryview[float]

    @classmethod
    def of_size(cls, tasks: int) -> Columns:
        return cls(*(memoryview(bytearray(8 * tasks)).cast("d") for _ in range(3)))


class Stopwatch:
    """Measures the tasks of one portion.

    Args:
        settled: Grows by one with each task that ends: the current task's position is
            its length.
        columns: Where to note the times.
        measure: What to measure.

    Attributes:
        call: Calls a function, which is the task itself, and notes when that was.
    """

    def __init__(self, settled: Sized, columns: Columns, measure: Measure) -> None:
        self.settled = settled
        self.began, self.ended, self.cpu = columns
        self.measure = measure
        has_cpu = measure >= Measure.CPU
        self.call = self.call_measuring_cpu if has_cpu else self.call_measuring_time

    def call_measuring_time(
        self,
        function: Callable[..., Any],
        /,
        *positional: Any,  # Any: arguments of any function
        **named: Any,  # Any: as above
    ) -> Any:  # Any: what it returns
        position = len(self.settled)
        self.began[position] = perf_counter()
        try:
            return function(*positional, **named)
        finally:
            self.ended[position] = perf_counter()

    def call_measuring_cpu(
        self,
        function: Callable[..., Any],
        /,
        *positional: Any,  # Any: as above
        **named: Any,  # Any: as above
    ) -> Any:  # Any: as above
        position = len(self.settled)
        self.began[position] = perf_counter()
        cpu_began = thread_time()
        try:
            return function(*positional, **named)
        finally:
            self.ended[position] = perf_counter()
            self.cpu[position] = thread_time() - cpu_began

    def times(self) -> Times:
        """Those of the tasks that have settled."""
        columns = [self.began, self.ended]
        if self.measure >= Measure.CPU:
            columns.append(self.cpu)
        count = len(self.settled)
        return Times(*(array("d", column[:count].tobytes()) for column in columns))
