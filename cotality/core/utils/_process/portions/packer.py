"""Packs a portion for another process, and unpacks what comes back.

Each task and each result is packed by itself, so that one that cannot be read spoils
only itself.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

from cotality._kit.struck import is_of_a_signal
from cotality.core.utils._process.channel.assembled import length_of, segments_in
from cotality.core.utils._process.channel.segments import (
    NoRoomError,
    Segment,
    packed_parts,
)
from cotality.core.utils._process.packing.arguments import (
    MOST_TAKEN_OUT,
    Arguments,
    Packer,
    Split,
    has_function,
    size_of,
)
from cotality.core.utils._process.packing.packed_functions import (
    PackedFunction,
    PackedFunctions,
)
from cotality.core.utils._process.packing.parcels import Parcels
from cotality.core.utils._process.packing.plain_arguments import (
    pack_columns,
    pack_items,
)
from cotality.core.utils._process.packing.share import without_marks
from cotality.core.utils._process.pickling.encode import decode
from cotality.core.utils._process.pickling.exceptions import unpack_exception
from cotality.core.utils._process.pickling.refusals import (
    unpicklable_call,
    unreadable_result,
)
from cotality.core.utils._process.pickling.script.needed import CollectedIn, Needed
from cotality.core.utils._process.tasks.errors import exited
from cotality.core.utils._process.tasks.from_data import (
    Columns,
    TasksInColumns,
    TasksOfItems,
)
from cotality.core.utils._process.tasks.outcome import Packing, Portion
from cotality.core.utils._process.tasks.task import Task, name_of_function
from cotality.core.utils._process.tasks.times import Measure
from cotality.core.utils._process.tasks.tracebacks import keep_only_places

from .chunk import ChunkReport
from .packed_chunk import Apart, PackedChunk, Together

PACKED_LIMIT = 512 * 1024  # bytes of arguments after which a portion is full enough
MOST_PACKED = 2048  # tasks; more in a portion would save nothing (measured)
# The most that tasks of a portion may call if they travel together: so few that they
# add little to its bytes.
FEW_FUNCTIONS = 8
# The same for bytes that this portion puts into segments: writing that much takes
# longer than handing out a portion, and what is out stays in memory.
WRITTEN_LIMIT = 8 * 1024 * 1024
PLAIN = 8  # bytes, about, of a result that is a number, a truth value or None


def columns_of(tasks: Sequence[Task[Any]]) -> Columns:  # Any: of every result type
    """What *tasks* call, and with what."""
    if isinstance(tasks, TasksInColumns):
        return tasks.columns()
    return (
        [task.callback_function for task in tasks],
        [task.positional for task in tasks],
        [task.arguments for task in tasks],
    )


class PortionPacker:
    """Packs the portions of one call."""

    call: str
    script: Needed
    packer: Packer
    functions: PackedFunctions
    script_count: int
    parcels: Parcels
    looking_cost: float
    looked: float

    def __init__(
        self,
        *,
        check_orders: bool = False,
        until_failure: bool,
        measure: Measure,
        context: bytes | None,
        in_segments: bool = True,
        gives_back: bool = False,
    ) -> None:
        self.gives_back = gives_back
        self.check_orders = check_orders
        self.until_failure = until_failure
        self.measure = measure
        self.context = context
        self.in_segments = in_segments
        # Unlike any other's: workers of an executor may serve programs on many
        # machines, one after the other or at once.
        self.call = os.urandom(12).hex()
        self.parcels = Parcels(in_segments)
        self.packer = Packer(self.parcels)
        self.functions = PackedFunctions(self.parcels)
        # Seconds that it took, for the last portion and for all of them, to see whether
        # what was sent before has changed.
        self.looking_cost = self.looked = 0.0
        self.script = Needed()
        self.script_count = 0  # of definitions that are packed
        self.script_packed: bytes | Segment | None = None

    def pack(self, portion: Portion) -> tuple[PackedChunk, Portion]:
        """Pack *portion*, or only its first tasks if together they are large.

        Returns:
            What was packed, and a portion of just these tasks. It is a new one, so that
            *portion* can still go elsewhere.
        """
        began = perf_counter()
        with CollectedIn(self.script):
            chunk, packed = self.pack_tasks(portion)
        chunk.script = self.packed_script()
        looked = self.packer.captured.seconds + self.parcels.looking_seconds
        self.looking_cost, self.looked = looked - self.looked, looked
        if self.measure >= Measure.CPU:
            packed.packing = self.packing_since(began)
        return chunk, packed

    def packing_since(self, began: float) -> Packing:
        functions = self.functions.take_costs()
        name = "" if functions.largest is None else name_of_function(functions.largest)
        seconds = perf_counter() - began
        return Packing(
            seconds, functions.seconds, functions.bytes, name, functions.count
        )

    def packed_script(self) -> bytes | Segment | None:
        """What the tasks of this call need of their script, packed when that grows."""
        if self.script.count != self.script_count:
            packed: bytes | Segment | None = None
            if self.in_segments:
                buffers: list[pickle.PickleBuffer] = []
                packed = packed_parts(self.script.packed(buffers.append), buffers)
            self.script_packed = packed or self.script.packed(None)
            self.script_count = self.script.count
        return self.script_packed

    def pack_tasks(self, portion: Portion) -> tuple[PackedChunk, Portion]:
        tasks = portion.tasks
        self.parcels.begin_portion(portion.turn)
        self.functions.begin_portion()
        functions: dict[int, PackedFunction] = {}
        failures: dict[int, Exception] = {}
        content: Together | Apart | None = self.pack_together(tasks, functions)
        count = len(tasks)
        if content is None:
            content = self.pack_apart(tasks, functions, failures)
            count = len(content.packed)
        for each in functions.values():
            if each.is_stateful:
                each.goes_to(count // len(functions))
        chunk = PackedChunk(
            self.call,
            {number: each.packed() for number, each in functions.items()},
            content,
            frozenset(n for n, each in functions.items() if each.is_stateful),
            check_orders=self.check_orders,
            until_failure=self.until_failure,
            measure=self.measure,
            context=self.context,
            in_segments=self.in_segments,
            gives_back=self.gives_back,
        )
        return chunk, Portion(portion.start, tasks[:count], failures, portion.attempt)

    def pack_together(
        self,
        tasks: Sequence[Task[Any]],  # Any: tasks of every result type
        functions: dict[int, PackedFunction],
    ) -> Together | None:
        """*tasks* in one go and their *functions*, or None if they are not suited."""
        if isinstance(tasks, TasksOfItems):
            data = pack_items(tasks.items, PACKED_LIMIT)
            if data is None:
                return None
            content = self.with_functions(data, [tasks.function], functions)
            if content is not None:
                content.are_items = True
            return content
        try:
            called, positional, named = columns_of(tasks)
        except Exception as raised:
            if is_of_a_signal(raised):
                raise
            return None  # one by one, each is blamed for itself
        data = pack_columns(positional, named, PACKED_LIMIT)
        return None if data is None else self.with_functions(data, called, functions)

    def with_functions(
        self,
        data: bytes,
        called: Sequence[Callable[..., Any]],  # Any: functions of any tasks
        functions: dict[int, PackedFunction],
    ) -> Together | None:
        """The arguments, packed as *data*, of tasks with what is *called* by them."""
        first = called[0]
        others = [function for function in called if function is not first]
        if len(set(map(id, others))) >= FEW_FUNCTIONS:
            return None
        try:
            numbers: list[int] = []
            # Each is asked for once: it may get another number the next time.
            for function in called if others else [first]:
                packed = self.functions.pack(function)
                packed.packed()
                functions[packed.number] = packed
                numbers.append(packed.number)
        except BaseException as raised:
            if is_of_a_signal(raised):
                raise
            functions.clear()
            return None  # one by one, each is blamed for itself
        return Together(numbers if others else numbers[0], data)

    def pack_apart(
        self,
        tasks: Sequence[Task[Any]],  # Any: tasks of every result type
        functions: dict[int, PackedFunction],
        failures: dict[int, Exception],
    ) -> Apart:
        """Each of *tasks* by itself, until there are enough bytes."""
        calls: list[tuple[int, Arguments | None]] = []
        # Mostly all tasks of a portion call the same function.
        last: PackedFunction | None = None
        size = 0
        written_before = self.packer.written
        along: set[Segment] = set()
        for task in tasks:
            data: Arguments | None
            try:
                if last is None or task.callback_function is not last.original:
                    last = self.functions.pack(task.callback_function)
                data = self.packer.pack(task, last)
                size += size_of(data)
                if isinstance(data, Split):
                    along.update(data.segments())
                elif not isinstance(data, bytes):
                    along.update(segments_in(data))
                if last.number not in functions and not has_function(data):
                    packed = last.packed()
                    functions[last.number] = last
                    if not isinstance(packed, bytes):
                        along.update(segments_in(packed))
                    size += length_of(packed)
            except BaseException as error:
                if is_of_a_signal(error):
                    raise
                failures[len(calls)] = unsendable_task(task, error)
                data = last = None
            calls.append((0 if last is None else last.number, data))
            written = self.packer.written - written_before
            if (
                size >= PACKED_LIMIT
                or written >= WRITTEN_LIMIT
                or len(along) >= MOST_TAKEN_OUT
            ):
                break
        return Apart(calls)

    def forget(self) -> None:
        """Let go of everything that was packed."""
        self.parcels = Parcels(self.in_segments)
        self.packer = Packer(self.parcels)
        self.functions = PackedFunctions(self.parcels)
        self.looked = 0.0
        self.script.forget()
        self.script_count, self.script_packed = 0, None


def unsendable_task(
    task: Task[Any], error: BaseException
) -> Exception:  # Any: tasks of every result type
    keep_only_places(error)
    if not isinstance(error, Exception):
        return exited(error)
    if isinstance(error, NoRoomError):
        return error
    task = without_marks(task)
    return unpicklable_call(
        task.callback_function, task.positional, task.arguments, error
    )


def unpacked(report: ChunkReport, failures: dict[int, Exception]) -> ChunkReport:
    """*report* with its bytes made into objects, each by itself, in place.

    Args:
        failures: Those of tasks that were never sent; they are put in their places.
    """
    began = perf_counter()
    plain = len(report.values) - len(report.packed) - len(report.errors)
    report.received_bytes = PLAIN * plain + sum(
        map(size_of_outcome, [*report.packed.values(), *report.errors.values()])
    )
    errors: dict[int, Exception] = {}
    for position in list(report.packed):
        try:
            report.values[position] = result_of(report.packed.pop(position))
        except NoRoomError as error:
            errors[position] = error
            report.lost.append(position)
        except BaseException as error:
            if is_of_a_signal(error):
                raise
            errors[position] = unreadable_result(error)
            report.lost.append(position)
    for position, packed in report.errors.items():
        failure = unpack_exception(packed)
        errors[position] = (
            failure if isinstance(failure, Exception) else exited(failure)
        )
    if report.obstacle is not None:
        report.obstacle = unpack_exception(report.obstacle)
    settled = len(report.values)
    errors |= {place: error for place, error in failures.items() if place < settled}
    report.errors = errors
    report.unpacking_seconds = perf_counter() - began
    return report


def result_of(data: bytes | Segment) -> Any:  # Any: what a task returned
    return data.load() if isinstance(data, Segment) else decode(data)


def size_of_outcome(data: bytes | Segment) -> int:
    return data.size if isinstance(data, Segment) else len(data)
