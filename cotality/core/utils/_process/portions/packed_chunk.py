"""A portion for another process: how it travels, and the loop that runs it there.

Usually each call is packed by itself, so that a call that cannot be read spoils only
itself, and no two calls share an object. If all arguments are atoms, neither can
happen, and they travel together, see `plain_arguments`. The loop is the same for both,
so calls that are packed by themselves run as calls of :meth:`PackedChunk.open`.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextvars import Context, ContextVar, copy_context
from functools import partial
from itertools import repeat
from time import perf_counter, thread_time
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

from cotality._kit.records import dataclass, field
from cotality._kit.struck import is_of_a_signal
from cotality.core.utils._process.channel import ledger
from cotality.core.utils._process.channel.assembled import (
    Packed,
    length_of,
)
from cotality.core.utils._process.channel.assembled import loaded as loaded_from
from cotality.core.utils._process.channel.ledger import (
    FAILED,
    FALSE,
    FLOAT,
    INTEGER,
    NONE,
    PACKED,
    TRUE,
    Ledger,
)
from cotality.core.utils._process.channel.segments import NoRoomError, Segment, pack
from cotality.core.utils._process.machine import this_process
from cotality.core.utils._process.packing.argument_copies import here as kept_here
from cotality.core.utils._process.packing.arguments import (
    Arguments,
    Split,
    Unpacker,
    size_of,
)
from cotality.core.utils._process.packing.packed_functions import FUNCTIONS_KEPT
from cotality.core.utils._process.packing.plain_arguments import (
    unpack_columns,
    unpack_items,
)
from cotality.core.utils._process.packing.task_graph import SMALL
from cotality.core.utils._process.packing.worker_state import is_of_worker_state
from cotality.core.utils._process.pickling.context_values import PackedContext
from cotality.core.utils._process.pickling.encode import decode, encode_answer
from cotality.core.utils._process.pickling.exceptions import pack_exception
from cotality.core.utils._process.starting import loading
from cotality.core.utils._process.starting.loading import explain_loading
from cotality.core.utils._process.tasks.times import Measure

from . import process_state
from .beside import ALONE, Beside
from .chunk import HALT_INTERVAL, ChunkReport, task_failure
from .context_copies import copier
from .stopwatch import Detective, Stopwatch

if TYPE_CHECKING:
    from cotality.core.utils._process.pickling.context_variables import Variable

G = TypeVar("G")
T = TypeVar("T")
Function: TypeAlias = Callable[..., Any]  # Any: the function of any task
CallIn: TypeAlias = Callable[..., Any]  # Any: is given one of those and its arguments
# Of each task what to call, and its arguments by position and by name.
Calls: TypeAlias = tuple[
    Iterable[Function],
    Iterable[tuple[Any, ...]],  # Any: arguments of any function
    Iterable[dict[str, Any]],  # Any: as above
]


@dataclass(slots=True)
class Together:
    """Calls whose arguments are all packed in one go, see `plain_arguments`.

    Attributes:
        numbers: The function's number of each, or of all.
        are_items: Whether each has one argument, and *data* holds these alone.
    """

    numbers: int | list[int]
    data: bytes
    are_items: bool = False

    def calls(self, chunk: PackedChunk) -> Calls:
        if isinstance(self.numbers, int):
            functions: Iterable[Function] = repeat(chunk.direct(self.numbers))
        else:
            functions = map(chunk.direct, self.numbers)
        if self.are_items:
            return functions, zip(unpack_items(self.data)), repeat({})
        positional, named = unpack_columns(self.data)
        return functions, positional or repeat(()), named


@dataclass(slots=True)
class Apart:
    """Calls that are packed one by one.

    Attributes:
        packed: For each its function's number and its arguments; None for those of a
            task that could not be packed, which the parent reports.
    """

    packed: list[tuple[int, Arguments | None]]

    def calls(self, chunk: PackedChunk) -> Calls:
        return repeat(chunk.open), self.packed, repeat({})


@dataclass(slots=True)
class PackedChunk:
    """A portion for another process.

    Attributes:
        call: Names the call it belongs to; most functions are loaded once for each.
        functions: The functions of the call that these tasks use, packed.
        stateful: The numbers of those that are loaded anew for each task.
        content: What to call, with what.
        check_orders: Whether to look, before each task, for an order to stop.
        until_failure: Whether no task is to start after one that failed.
        measure: What to measure of each task.
        context: The packed context that each task runs in a copy of, if any.
        in_segments: Whether large results may travel in segments: true for workers of
            ours, and for no others.
        script: What these tasks need of the script, packed, if anything.
        gives_back: Whether a task that cannot be loaded ends the portion, because it
            can be run elsewhere; otherwise that is its failure. Likewise one whose
            result cannot travel: then it is the others that can be run elsewhere.
        beside: The other calls that these workers serve.
    """

    call: str
    functions: dict[int, Packed]
    content: Together | Apart
    stateful: frozenset[int] = frozenset()
    check_orders: bool = False
    until_failure: bool = False
    measure: Measure = Measure.NOTHING
    context: bytes | None = None
    in_segments: bool = True
    script: bytes | Segment | None = None
    gives_back: bool = False
    beside: Beside = ALONE
    call_in: CallIn | None = None  # how to call a function, if not as it is

    @property
    def size(self) -> int:
        """The bytes of what it holds, where nothing of that is in a segment."""
        parts = [*self.functions.values(), self.script or b""]
        size = sum(map(length_of, parts))
        if isinstance(self.content, Together):
            return size + len(self.content.data)
        packed = [arguments for _, arguments in self.content.packed]
        return size + sum(size_of(each) for each in packed if each is not None)

    def run(self, time_box: float) -> ChunkReport:
        """Run what there is time and room for.

        Every outcome goes into the report and into the worker's ledger, so that it
        is not lost when the next task brings the worker down.
        """
        detective = Detective() if self.measure >= Measure.CPU else None
        bound = 0.0
        if self.script is not None:
            bound = perf_counter()
            bind_script(self.script)
            bound = perf_counter() - bound
            if detective is not None:
                detective.forget_imports()  # most of these are ours
        memory.turn_to(self.call, self.beside)
        memory.loading_seconds = bound
        outcomes = Outcomes(
            self.book, self.until_failure, self.in_segments, self.gives_back
        )
        memory.values = outcomes.values
        watch: Stopwatch | None = None
        if self.measure:
            columns = outcomes.book.columns()
            watch = Stopwatch(outcomes.values, columns, self.measure)
        self.call_in = way_to_call(self.context, watch)
        kept_here.things = memory.of_call.unpacker.things
        began, cpu_began = perf_counter(), thread_time()
        if not (outcomes.book.is_halted or memory.of_call.has_lost):
            self.run_tasks(outcomes, began + time_box)
        seconds = perf_counter() - began
        report = ChunkReport(outcomes.values, outcomes.errors, seconds, outcomes.packed)
        report.cpu_seconds = thread_time() - cpu_began
        report.obstacle = outcomes.obstacle
        report.lost = outcomes.lost
        memory.of_call.has_lost |= bool(outcomes.lost) and self.gives_back
        memory.values = []
        kept_here.things = {}
        if process_state.current is not None:
            process_state.current.has_run = True
        if watch is not None:
            report.times = watch.times()
            report.worker = f"process {os.getpid()}"
            report.peak_memory = ledger.peak_memory()
        if detective is not None:
            took = memory.loading_seconds
            report.clues = detective.clues(in_thread=False, loading=took)
        return report

    @property
    def book(self) -> Ledger:
        """Where to write down what happens; for nobody to read if not in our worker.

        The process may well have a ledger: a task in a worker of ours may use an
        executor of other make. That ledger is about the task alone.
        """
        return ledger.current() if self.in_segments else ledger.no_ledger()

    def run_tasks(self, outcomes: Outcomes, end: float) -> None:
        book = outcomes.book
        memory.fresh = copier(memory.own or copy_context())
        memory.modules = len(sys.modules)
        positions = range(book.most_tasks)
        calls = zip(positions, *self.content.calls(self), strict=False)
        book.begin_portion()
        while True:
            # Each task finds the context as the worker has it; mostly that is empty,
            # and one copy can serve as many tasks as leave it so.
            context = memory.fresh()
            if not context.run(self.run_some, calls, outcomes, end, context):
                break
        book.end_portion(len(outcomes.values))

    def run_some(
        self,
        calls: Iterator[tuple[int, Function, Any, Any]],  # Any: arguments of any task
        outcomes: Outcomes,
        end: float,
        context: Context,
    ) -> bool:
        """The loop. It calls nothing of ours for a task that returns a plain value.

        It ends when *context* is not empty, or when there is nothing to run any more,
        or not now; whether to go on then.
        """
        book, check_orders = outcomes.book, self.check_orders
        kinds, integers, floats = book.kinds, book.integers, book.floats
        values = outcomes.values
        look_at = 0.0
        for position, function, positional, named in calls:
            if check_orders:
                book.await_orders(position)
            try:
                value = function(*positional, **named)
                if this_process.is_fork:
                    this_process.end_fork()
            except BaseException as error:
                if not outcomes.fail(position, error):
                    return False
            else:
                if type(value) is int and -MOST_INTEGER <= value <= MOST_INTEGER:
                    integers[position] = value
                    kinds[position] = INTEGER
                    values.append(value)
                elif value is None:
                    kinds[position] = NONE
                    values.append(value)
                elif type(value) is float:
                    floats[position] = value
                    kinds[position] = FLOAT
                    values.append(value)
                else:
                    may_go_on = outcomes.keep(position, value)
                    del value  # it may be large
                    if not may_go_on:
                        return False
            if (now := perf_counter()) > look_at:
                if now > end or book.is_halted:
                    return False
                look_at = min(end, now + HALT_INTERVAL)
            if context:
                return True
        return False

    def direct(self, number: int) -> Function:
        """The function of that number, or what loads it when it is called."""
        if number in memory.of_call.functions:
            return self.function(number)
        return partial(self.load_and_call, number)

    def load_and_call(
        self,
        number: int,
        /,
        *positional: Any,  # Any: arguments of any function
        **named: Any,  # Any: as above
    ) -> Any:  # Any: what it returns
        book = self.book
        book.stop_clock()
        function = self.function(number)
        book.start_clock()
        return function(*positional, **named)

    def open(
        self, number: int, arguments: Arguments | None
    ) -> Any:  # Any: what the task returns
        """Unpack a call that was packed by itself, and call it."""
        if arguments is None:
            return None  # the parent knows why
        if self.check_orders:
            self.book.stop_clock()
        function, positional, named = self.loaded_call(number, arguments)
        if self.check_orders:
            self.book.start_clock()
        return function(*positional, **named)

    def loaded_call(
        self, number: int, arguments: Arguments
    ) -> tuple[Function, tuple[Any, ...], dict[str, Any]]:  # Any: as above
        if isinstance(arguments, Split):
            return self.unpacked(number, arguments)
        function = self.function(number)
        given: Any = loaded(loaded_from, arguments)  # Any: in one of two forms
        if type(given) is dict:
            return function, (), cast("dict[str, Any]", given)  # Any: of any function
        positional, named = given
        return function, positional, named

    def unpacked(
        self, number: int, split: Split
    ) -> tuple[Function, tuple[Any, ...], dict[str, Any]]:  # Any: as above
        """A call whose arguments came in parts, the function perhaps with them."""
        function, positional, named = loaded(memory.of_call.unpacker.unpack, split)
        if function is None:
            return self.function(number), positional, named
        return self.as_called(function), positional, named

    def function(self, number: int) -> Function:
        """The function of that number; loaded once for each worker and call.

        One that holds what a task may change is loaded anew.
        """
        if number in self.stateful:
            return self.as_called(self.load(number))
        loaded = memory.of_call.functions
        if number not in loaded:
            if len(loaded) >= FUNCTIONS_KEPT:
                loaded.clear()
            loaded[number] = self.load(number)
        return self.as_called(loaded[number])

    def load(self, number: int) -> Function:
        began = perf_counter()
        function: Function = loaded(loaded_from, self.functions[number])
        memory.loading_seconds += perf_counter() - began
        return function

    def as_called(self, function: Function) -> Function:
        return function if self.call_in is None else partial(self.call_in, function)


class NotLoadedError(Exception):
    """A task could not be loaded here, so it has not begun."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


@dataclass(slots=True)
class Outcomes:
    """What has become of the tasks of a portion; `PackedChunk.run_tasks` adds to it."""

    book: Ledger
    until_failure: bool
    in_segments: bool
    gives_back: bool = False
    obstacle: bytes | None = None
    values: list[Any] = field(default_factory=list[Any])  # Any: what tasks return
    errors: dict[int, bytes] = field(default_factory=dict[int, bytes])
    packed: dict[int, bytes | Segment] = field(
        default_factory=dict[int, "bytes | Segment"]
    )
    lost: list[int] = field(default_factory=list[int])  # see `ChunkReport`

    def keep(self, position: int, value: object) -> bool:
        """Settle a task that returned *value*; whether there is room for another."""
        if type(value) is bool:
            self.book.kinds[position] = TRUE if value else FALSE
            self.values.append(value)
            return True
        try:
            packed = packed_value(value, self.in_segments)
            if this_process.is_fork:
                this_process.end_fork()
        except BaseException as error:
            self.lost.append(position)
            # The next ones, too, may return such a thing, and elsewhere they can.
            return self.fail(position, error) and not self.gives_back
        self.values.append(None)
        self.packed[position] = packed
        if isinstance(packed, bytes):
            return self.book.settle(position, packed, PACKED)
        self.book.settle_elsewhere(position)
        return False  # too large for the ledger: sent before anything can happen

    def fail(self, position: int, error: BaseException) -> bool:
        """Settle a task that raised *error*; whether another is to start."""
        if this_process.is_fork:
            this_process.end_fork()
        if type(error) is NotLoadedError:
            error = error.error
            if not is_of_worker_state(error):
                explain_loading(error)
                if self.gives_back or loading.is_refusal(error):
                    self.obstacle = pack_exception(task_failure(error), encode_answer)
                    return False
        failure = pack_exception(task_failure(error), encode_answer)
        self.values.append(None)
        self.errors[position] = failure
        has_room = self.book.settle(position, failure, FAILED)
        return has_room and not self.until_failure


MOST_INTEGER = 2**63 - 1  # what a word of the ledger takes


def packed_value(
    value: Any, in_segments: bool
) -> bytes | Segment:  # Any: what a task returned
    try:
        if type(value) in SMALL or not in_segments:
            return encode_answer(value)
        return pack(value, is_answer=True)
    except NoRoomError:
        raise
    except Exception as error:
        if is_of_a_signal(error):
            raise
        from cotality.core.utils._process.pickling.refusals import unpicklable_result

        raise unpicklable_result(value, error) from error


def way_to_call(context: bytes | None, watch: Stopwatch | None) -> CallIn | None:
    """How the functions of a portion are called; None for the plain way."""
    call = None if watch is None else watch.call
    if context is None:
        return call

    def call_in_context(
        function: Function,
        /,
        *positional: Any,  # Any: arguments of any function
        **named: Any,  # Any: as above
    ) -> Any:  # Any: what it returns
        run = context_of_call(context).run
        if call is None:
            return run(function, *positional, **named)
        return run(call, function, *positional, **named)

    return call_in_context


def bind_script(packed: bytes | Segment) -> None:
    from cotality.core.utils._process.scripts.names import bind

    if isinstance(packed, Segment):
        data, buffers = packed.parts()
        bind(data, buffers)
    else:
        bind(packed)


@dataclass(slots=True)
class Kept:
    """What a worker keeps of one call.

    Attributes:
        number: See `Beside`.
        functions: Those that hold nothing which a task may change.
        has_lost: Whether a result could not travel, and what comes after it is to run
            elsewhere.
    """

    number: int = 0
    has_lost: bool = False
    functions: dict[int, Function] = field(default_factory=dict[int, Function])
    context: Callable[[], Context] | None = None  # makes what its tasks run in
    unpacker: Unpacker = field(default_factory=Unpacker)


class Memory(threading.local):
    """What a worker keeps of the call it worked for last, and of those beside it.

    For each thread: in a worker of other make several may work in one process.
    """

    def __init__(self) -> None:
        self.call: str = ""
        self.loading_seconds = 0.0  # of functions, for the portion that runs
        self.of_call = Kept()
        self.others: dict[str, Kept] = {}
        self.values: list[Any] = []  # Any: what tasks of this portion have returned
        self.modules = 0  # how many were loaded when somebody last looked
        self.fresh = Context().copy  # makes what each task runs in
        # Likewise, once a module has set something when it was imported.
        self.own: Context | None = None

    def turn_to(self, call: str, beside: Beside) -> None:
        """Forget what belongs to another call than *call* and those *beside* it.

        Raises:
            SpentError: No other call should be served by this worker.
        """
        if call != self.call:
            if process_state.current is not None:
                process_state.current.put_back()
            self.others[self.call] = self.of_call
            self.call = call
            self.of_call = self.others.pop(call, Kept(beside.number))
        if self.others:
            self.others = {
                name: kept
                for name, kept in self.others.items()
                if name in beside.names or kept.number > beside.latest
            }

    def adopt_context(self, here: Context) -> None:
        """Let what is set in *here*, and was not set before, be so in this worker."""
        before = self.fresh()
        new = [
            (variable, value)
            for variable, value in here.items()
            if variable not in before or before[variable] is not value
        ]
        self.adopt_values(new)

    def adopt_values(
        self,
        new: list[tuple[ContextVar[Any], Any]],  # Any: values of any type
    ) -> None:
        if not new:
            return
        before = self.fresh()
        for variable, value in new:
            before.run(variable.set, value)
        self.own = copier(before)()  # not what the task that is here may change
        self.fresh = copier(self.own)
        for kept in (self.of_call, *self.others.values()):
            kept.context = None  # made from what holds here


memory = Memory()


def loaded(load: Callable[[G], T], given: G) -> T:
    """What *load* makes of *given*, something of a task, as a worker gets it.

    Raises:
        NotLoadedError: That cannot be loaded here.
    """
    try:
        made = load(given)
    except BaseException as error:
        raise NotLoadedError(error) from error
    if len(sys.modules) != memory.modules:
        modules_came()
    return made


def modules_came() -> None:
    """A task was loaded, and that has imported modules.

    What they set when they are imported, such as the precision of `decimal`, holds in
    this worker from here on, as in a program. It is no matter of the one task that is
    the first to need them.
    """
    memory.modules = len(sys.modules)
    memory.adopt_context(copy_context())
    state = process_state.current
    if state is not None and not (state.has_run or memory.values):
        state.take_in()


def values_in(packed: bytes) -> list[tuple[Variable, object]]:
    return cast("PackedContext", decode(packed)).load()


def context_of_call(packed: bytes) -> Context:
    """A copy of the context of the call; that is loaded once for each worker."""
    kept = memory.of_call
    if kept.context is None:
        values = loaded(values_in, packed)
        context = memory.fresh()
        for variable, value in values:
            context.run(variable.set, value)
        kept.context = copier(context)
    return kept.context()
