"""One step of a flow, as people write it down."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar, overload

from cotality._kit.public import public_in

from .handler import Failed, Handles, kind_of

In = TypeVar("In")
Out = TypeVar("Out")

MOST_WORKERS = 256
MOST_IN_BATCH = 1024

public = public_in("cotality.flow")


@public
class Step(Generic[In, Out]):
    """What one kind of worker does to each item of a flow.

    Args:
        handler: A class with a method ``handle(items)``, or a function that makes such
            an object: each worker then makes its own, and the object need not be
            picklable. Or such an object itself. Or a plain function of one item; with
            *batch_size*, a function of a list of items that returns a list of results.
        workers: How many processes run it.
        batch_size: With how many items the handler is called, at most; 1 by default.
        batch_wait: How many seconds the first item of a batch may wait for others. With
            0, a free worker takes the items that are there.
        timeout: How many seconds one call of the handler may take. If it takes longer,
            its items fail with `TaskTimeoutError`, and its worker is replaced. None
            sets no limit.
        when: A function that says which items the step handles; others go on to a later
            step. It is called where an item comes from: in a worker of the step before,
            or in the client.
        size: A function that says how much an item counts towards *batch_size*; without
            it, each counts as 1.
        isolate: If a batch fails, run it again, item by item. Only for handlers that
            may see an item twice.
        name: Its name in messages and figures; by default that of the handler.

    Raises:
        TypeError: *handler* cannot be called, or an option has the wrong type.
        ValueError: A number is out of range.
    """

    takes: int
    batch_size: int
    batch_wait: float
    timeout: float | None
    isolate: bool
    name: str

    # Classes first: pyright 1.1.414 takes a class that it has found not to be a handler
    # for one whose objects are none either.
    @overload
    def __init__(
        self,
        handler: Callable[[], Handles[In, Out]],
        *,
        workers: int = 1,
        batch_size: int | None = None,
        batch_wait: float = 0.0,
        timeout: float | None = None,
        when: Callable[[In], object] | None = None,
        size: Callable[[In], int] | None = None,
        isolate: bool = False,
        name: str | None = None,
    ) -> None: ...

    @overload
    def __init__(
        self,
        handler: Handles[In, Out],
        *,
        workers: int = 1,
        batch_size: int | None = None,
        batch_wait: float = 0.0,
        timeout: float | None = None,
        when: Callable[[In], object] | None = None,
        size: Callable[[In], int] | None = None,
        isolate: bool = False,
        name: str | None = None,
    ) -> None: ...

    @overload
    def __init__(
        self,
        handler: Callable[[In], Out],
        *,
        workers: int = 1,
        batch_size: None = None,
        timeout: float | None = None,
        when: Callable[[In], object] | None = None,
        name: str | None = None,
    ) -> None: ...

    @overload
    def __init__(
        self,
        handler: Callable[[list[In]], Sequence[Out | Failed]],
        *,
        workers: int = 1,
        batch_size: int,
        batch_wait: float = 0.0,
        timeout: float | None = None,
        when: Callable[[In], object] | None = None,
        size: Callable[[In], int] | None = None,
        isolate: bool = False,
        name: str | None = None,
    ) -> None: ...

    def __init__(
        self,
        handler: Any,  # Any: one of three kinds, see above
        *,
        workers: int = 1,
        batch_size: int | None = None,
        batch_wait: float = 0.0,
        timeout: float | None = None,
        when: Callable[[Any], object] | None = None,  # Any: of its items
        size: Callable[[Any], int] | None = None,  # Any: as above
        isolate: bool = False,
        name: str | None = None,
    ) -> None:
        check_count("workers", workers, MOST_WORKERS)
        if batch_size is not None:
            check_count("batch_size", batch_size, MOST_IN_BATCH)
        check_seconds("batch_wait", batch_wait, from_zero=True)
        if timeout is not None:
            check_seconds("timeout", timeout)
        for option, function in (("when", when), ("size", size)):
            if function is not None and not callable(function):
                raise TypeError(f"{option} must be a function, got {function!r}")
        self.handler = handler
        self.takes = kind_of(handler, has_batch_size=batch_size is not None)
        self.workers = workers
        self.batch_size = batch_size or 1
        self.batch_wait = float(batch_wait)
        self.timeout = None if timeout is None else float(timeout)
        self.when = when
        self.size = size
        self.isolate = bool(isolate)
        self.name = name_of(handler) if name is None else str(name)

    def __repr__(self) -> str:
        return f"<Step {self.name!r}, workers={self.workers}>"


def name_of(handler: object) -> str:
    """What people would call *handler*."""
    for each in (handler, type(handler)):
        name = getattr(each, "__name__", None)
        if isinstance(name, str):
            return name
    return "step"


def check_count(name: str, value: object, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be a whole number, got {value!r}")
    if not 1 <= value <= most:
        raise ValueError(f"{name} must be from 1 to {most}, got {value!r}")


def check_seconds(name: str, value: object, *, from_zero: bool = False) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number of seconds, got {value!r}")
    if not (math.isfinite(value) and (value > 0 or (from_zero and value == 0))):
        at_least = "0 or more" if from_zero else "more than 0"
        raise ValueError(f"{name} must be {at_least} seconds, got {value!r}")
