"""What runs in a worker: a portion of tasks, one after the other, within a time box.

Threads get a `LocalChunk`, which holds the tasks themselves; everything behind a
process boundary gets a `PackedChunk`, which holds each of them as bytes of its own, so
that one that cannot be read spoils only itself and no two share an object. Both go
through the same door, :func:`run_chunk`, and come back as a `ChunkReport`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from types import TracebackType
from typing import Any, Protocol

from . import ledger
from .arguments import SMALL, Split, Unpacker, unpack_one
from .exception_transport import pack_exception
from .failures import exited
from .segments import NoRoomError, Segment, pack
from .task import Task
from .wire import decode, encode


@dataclass(slots=True)
class ChunkReport:
    """What became of the tasks of a portion that were started: the first ones.

    ``values`` has one entry for each; where a task failed it is None and the failure
    is in ``errors``, by position. Tasks beyond ``len(values)`` are handed back. In a
    report that crosses a process boundary both hold bytes.
    """

    values: list[Any]  # Any: what tasks return, or its bytes
    errors: dict[int, Any] = field(default_factory=dict[int, Any])  # Any: as above
    seconds: float = 0.0


class Chunk(Protocol):
    """A portion, in the form that suits the worker it goes to."""

    def run(self, time_box: float) -> ChunkReport: ...


def run_chunk(chunk: Chunk, time_box: float) -> ChunkReport:
    """Run the tasks of *chunk* until it is done or *time_box* seconds have passed."""
    return chunk.run(time_box)


class Halt:
    """Shared by all portions of a call: whether no further task is to start.

    With *until_failure* the first task that fails requests it.
    """

    __slots__ = ("requested", "until_failure")

    def __init__(self, until_failure: bool) -> None:
        self.requested = False
        self.until_failure = until_failure


@dataclass(slots=True)
class LocalChunk:
    """A portion for a thread of this process."""

    tasks: Sequence[Task[Any]]  # Any: tasks of every result type
    halt: Halt

    def run(self, time_box: float) -> ChunkReport:
        values: list[Any] = []  # Any: what the tasks return
        errors: dict[int, Exception] = {}
        halt = self.halt
        began = now = perf_counter()
        end = began + time_box
        for task in self.tasks:
            if now > end or halt.requested:
                break
            try:
                value = task.callback_function(*task.positional, **task.arguments)
            except BaseException as error:
                errors[len(values)] = task_failure(error)
                value = None
                if halt.until_failure:
                    halt.requested = True
            values.append(value)
            del value  # the list is handed over; this frame must not keep the last
            now = perf_counter()
        return ChunkReport(values, errors, now - began)


def task_failure(error: BaseException) -> Exception:
    """The `Exception` a task is said to have failed with when it raised *error*."""
    # Not by assignment: a class may forbid that (a frozen dataclass).
    BaseException.with_traceback(error, without_our_frames(error.__traceback__))
    return error if isinstance(error, Exception) else exited(error)


def without_our_frames(frames: TracebackType | None) -> TracebackType | None:
    """*frames* from the task's own function on; ours are of no use to a reader."""
    outer = frames
    while outer is not None and outer.tb_frame.f_code.co_filename in OUR_FILES:
        outer = outer.tb_next
    return outer or frames


OUR_FILES = {__file__, __file__.replace("chunk.py", "worker.py")}


@dataclass(slots=True)
class PackedChunk:
    """A portion for another process.

    Attributes:
        call: Names the call it belongs to; functions are loaded once for each call.
        functions: The functions of the call that these tasks use, packed.
        calls: For each task its function's number and its packed arguments; the bytes
            are None for a task that could not be packed, which the parent reports.
        check_orders: Whether to look, before each task, for an order to stop.
        until_failure: Whether no task is to start after one that failed.
    """

    call: str
    functions: dict[int, bytes | Segment]
    calls: list[tuple[int, bytes | Split | None]]
    check_orders: bool = False
    until_failure: bool = False

    def run(self, time_box: float) -> ChunkReport:
        """Run what there is time and room for.

        Every outcome goes into the report and into the worker's ledger, so that it
        is not lost when the next task brings the worker down.
        """
        values: list[bytes | Segment | None] = []
        errors: dict[int, bytes] = {}
        turn_to(self.call)
        book = ledger.current()
        began = now = perf_counter()
        end = began + time_box
        for position, (function, arguments) in enumerate(self.calls):
            if now > end or not book.has_room or book.is_halted:
                break
            if self.check_orders:
                book.await_orders(position)
            book.start(position)
            try:
                value = self.answer(function, arguments)
                if is_fork:
                    end_fork()
                values.append(value)
                if type(value) is not bytes:
                    book.settle_elsewhere()
                    break  # too large for the ledger: sent before anything can happen
                book.settle(value, False)
            except BaseException as error:
                if is_fork:
                    end_fork()
                failure = pack_exception(task_failure(error))
                book.settle(failure, True)
                errors[position] = failure
                values.append(None)
                if self.until_failure:
                    end = 0.0
            now = perf_counter()
        return ChunkReport(values, errors, now - began)

    def answer(self, number: int, arguments: bytes | Split | None) -> bytes | Segment:
        """The packed value of one task."""
        if arguments is None:
            return b""  # the parent knows why
        if number in loaded:
            function = loaded[number]
        else:
            function = load_function(number, self.functions[number])
        positional: tuple[Any, ...] = ()  # Any: arguments of any function
        if type(arguments) is bytes:
            given = decode(arguments)
            if type(given) is not dict:
                positional, given = given
        else:
            positional, given = unpacker.unpack(arguments)
        if self.check_orders:
            ledger.current().start_clock()
        value = function(*positional, **given)
        del positional, given
        try:
            return encode(value) if type(value) in SMALL else pack(value)
        except NoRoomError:
            raise
        except Exception as error:
            from .unsendable import unpicklable_result

            raise unpicklable_result(value, error) from error


FUNCTIONS_KEPT = 256  # of one call; each may hold a lot of memory

# The functions of the call this process worked for last: a function is unpacked once
# for each worker and call, with all it closes over.
loaded_call: str = ""
loaded: dict[int, Callable[..., Any]] = {}
unpacker = Unpacker()


def turn_to(call: str) -> None:
    """Forget what belongs to another call than *call*."""
    global loaded_call, unpacker
    if call != loaded_call:
        loaded_call = call
        loaded.clear()
        unpacker = Unpacker()


def load_function(
    number: int, packed: bytes | Segment
) -> Callable[..., Any]:  # Any: the function of any task
    if len(loaded) >= FUNCTIONS_KEPT:
        loaded.clear()
    function: Callable[..., Any] = unpack_one(packed)
    loaded[number] = function
    return function


# True in a process that a task made by forking this one. It has a copy of the worker's
# loop and of its connection, and must never use either.
is_fork = False


def mark_fork() -> None:
    global is_fork
    is_fork = True


def end_fork() -> None:
    """End this process: a task forked it and then returned in both copies."""
    os._exit(0)
