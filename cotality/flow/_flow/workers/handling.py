"""How a handler is called, and what may become of that. All of it is other's code."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence, Set
from contextlib import contextmanager
from itertools import islice
from types import TracebackType
from typing import Any, TypeAlias

from cotality._kit.data_frames import is_data_frame
from cotality._kit.struck import is_of_a_signal
from cotality.core.hosting import (
    Arena,
    Segment,
    encode_answer,
    exited,
    field_of,
    pack_exception,
    parcel,
)
from cotality.flow._flow.errors.errors import HandlerError
from cotality.flow._flow.steps.handler import Failed, Takes
from cotality.flow._flow.steps.routes import Routes
from cotality.flow._flow.steps.work import Work
from cotality.flow._flow.wire.frames import END, LONGEST, too_long
from cotality.flow._flow.wire.portions import Status

# What becomes of an item: its status, the next step, its weight there, and its bytes.
# The memory that belongs to these is the last.
Settled: TypeAlias = "tuple[int, int, int, bytes, Sequence[Segment]]"
Items: TypeAlias = "list[Any]"  # Any: items of any type
OURS = ("cotality.flow.", "cotality.core.")
# Which can be looped over, but are no lists of results: what comes are letters, numbers
# or keys, or things in no order.
NO_LISTS = (str, bytes, bytearray, memoryview, Mapping, Set)


class Handling:
    """The handler of one step, made in this worker."""

    def __init__(self, work: Work) -> None:
        self.name = work.name
        self.routes = work.routes
        self.isolate = work.isolate
        self.batch_size = work.batch_size
        self.arena = Arena()  # of what it makes
        self.target: Any = work.handler  # Any: the user's
        self.takes = work.takes
        if work.takes == Takes.FACTORY:
            self.target = work.handler()
            if not callable(getattr(self.target, "handle", None)):
                raise TypeError(
                    f"the handler of step {work.name!r} has made {self.target!r}, "
                    f"which has no method handle(items)"
                )
        if work.takes in (Takes.FACTORY, Takes.HANDLER):
            self.call: Callable[..., Any] = self.target.handle
        else:
            self.call = self.target

    def start(self) -> None:
        self.call_if_there("start")

    def stop(self) -> None:
        self.call_if_there("stop")

    def call_if_there(self, name: str) -> None:
        if self.takes in (Takes.FACTORY, Takes.HANDLER):
            method = getattr(self.target, name, None)
            if method is not None:
                method()

    def results(self, items: Items) -> Sequence[Any]:  # Any: results, or `Failed`
        """What the handler makes of *items*; a `Failure` for one that fails.

        It never raises: whatever the handler raises is what became of its items.
        """
        if self.takes == Takes.ITEM:
            return [self.result_of(item) for item in items]
        try:
            return self.checked(self.call(items), len(items))
        except BaseException as error:
            if self.isolate and len(items) > 1:
                return [self.results([item])[0] for item in items]
            failure = Failure(failure_of(error), len(items))
            return [failure] * len(items)

    def result_of(self, item: Any) -> Any:  # Any: as above
        try:
            return self.call(item)
        except BaseException as error:
            return Failure(failure_of(error), 1)

    def checked(self, results: Any, count: int) -> Sequence[Any]:  # Any: as above
        given: list[Any]
        if type(results) is list:
            given = results  # pyright: ignore[reportUnknownVariableType]  # of Any
        elif not is_list_like(results):
            raise HandlerError(
                f"the handler of step {self.name!r} has to return a list with one "
                f"result for each of its {count} items, and returned a "
                f"{type(results).__name__}{way_out(results)}"
            )
        else:
            given = list(islice(results, count + 1))  # it may be endless
        if len(given) != count:
            is_cut = given is not results and len(given) > count
            returned = "more" if is_cut else str(len(given))
            raise HandlerError(
                f"the handler of step {self.name!r} has to return one result for each "
                f"of its {count} items, and returned {returned}"
            )
        return given

    def settled(self, result: Any) -> Settled:  # Any: as above
        """What is sent for *result*."""
        if isinstance(result, Failure):
            return Status.FAILURE, END, 0, result.packed(), ()
        if isinstance(result, Failed):
            return failed(result.error)
        return settled(result, self.routes, self.arena)


def is_list_like(results: object) -> bool:
    """Whether what comes of looping over *results* can be one result for each item."""
    if issubclass(type(results), NO_LISTS) or is_data_frame(results):
        return False
    return hasattr(results, "__iter__")


def way_out(results: object) -> str:
    """What to say besides to who returns *results* for a list."""
    if not is_data_frame(results):
        return ""
    return (
        ", whose items are its columns. If each row is a result, return a list of "
        "rows, such as frame.to_dict('records') of pandas"
    )


def settled(
    result: Any,  # Any: as above
    routes: Routes,
    arena: Arena,
) -> Settled:
    step, weight = END, 0
    if routes.rules:
        try:
            step, weight = routes.next(result)
        except BaseException as error:
            return failed(failure_of(error))
    try:
        # What the process has sent that gets it need only be named. One of another
        # step has sent nothing.
        data, large = parcel(result, arena, is_answer=step == END)
    except BaseException as error:
        if isinstance(error, Exception):
            from cotality.core.hosting import unpicklable_result

            error = unpicklable_result(result, error)
        return failed(failure_of(error))
    if len(data) > LONGEST:
        return failed(ValueError(too_long("the result", len(data))))
    return Status.VALUE, step, weight, data, large


def failed(error: Exception) -> Settled:
    return Status.FAILURE, END, 0, Failure(error, 1).packed(), ()


class Failure:
    """What a handler raised, for *count* items at once."""

    def __init__(self, error: Exception, count: int) -> None:
        self.error = error
        self.count = count
        self.data: bytes | None = None

    def packed(self) -> bytes:
        if self.data is None:
            note = (
                f"The handler raised this for a batch of {self.count} items, which "
                f"all fail with it."
            )
            with noted(self.error, note if self.count > 1 else ""):
                self.data = pack_exception(self.error, encode_answer)
            # A handler may raise the same exception again and again. Each time Python
            # adds to the traceback that it has.
            BaseException.with_traceback(self.error, None)
        return self.data


@contextmanager
def noted(error: BaseException, note: str) -> Generator[None, None, None]:
    """*error* has *note* for as long as this lasts, if its class lets it."""
    has_note = bool(note) and has_taken(error, note)
    try:
        yield
    finally:
        if has_note:
            vars(error)["__notes__"].remove(note)


def has_taken(error: BaseException, note: str) -> bool:
    """Whether *note* was added; a class may do anything to prevent that."""
    try:
        BaseException.add_note(error, note)
        return note in vars(error)["__notes__"]
    except Exception as broken:
        if is_of_a_signal(broken):
            raise
        return False  # it comes without


def failure_of(error: BaseException) -> Exception:
    """*error* as the failure of an item, with the user's own frames only."""
    frames = field_of(error, "__traceback__")
    BaseException.with_traceback(error, without_our_frames(frames))
    return error if isinstance(error, Exception) else exited(error)


def without_our_frames(frames: TracebackType | None) -> TracebackType | None:
    inner = frames
    while inner is not None and str(
        inner.tb_frame.f_globals.get("__name__")
    ).startswith(OURS):
        inner = inner.tb_next
    return inner or frames
