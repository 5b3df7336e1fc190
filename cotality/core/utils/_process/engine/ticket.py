"""The engine's handle on a portion that was handed out: a future without a lock.

A signal handler may raise in the calling thread between any two steps. In the middle of
a `concurrent.futures.Future` it can leave the future's lock held, and then the thread
that brings the result waits for ever. Here each change of state is one step of C code,
so nothing can be left half done.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar

T = TypeVar("T")

BEGUN = "begun"  # True: it runs, or has run. False: it was cancelled before.


class Ticket(Future[T]):
    """A future that is asked only when it is done; nobody can wait for it.

    A listener may be called more than once, and has to know what it waits for.
    """

    def __init__(self) -> None:
        # Both sides may call `setdefault`; the first one decides.
        self.fate: dict[str, bool] = {}
        self.has_outcome = False
        self.value: Any = None  # Any: a T, but only once there is an outcome
        self.error: BaseException | None = None
        self.listeners: list[Callable[[Future[T]], object]] = []

    def __repr__(self) -> str:
        state = "done" if self.done() else "running" if self.running() else "waiting"
        return f"<Ticket at {id(self):#x} {state}>"

    # For the side that waits for the outcome.

    def cancel(self) -> bool:
        if self.fate.setdefault(BEGUN, False):
            return False
        self.tell()
        return True

    def add_done_callback(self, fn: Callable[[Future[T]], object]) -> None:
        # In this order: whatever happens meanwhile, one of the two sides calls it.
        self.listeners.append(fn)
        if self.done():
            fn(self)

    def cancelled(self) -> bool:
        return self.fate.get(BEGUN) is False

    def done(self) -> bool:
        return self.has_outcome or self.cancelled()

    def running(self) -> bool:
        return self.fate.get(BEGUN) is True and not self.has_outcome

    def result(self, timeout: float | None = None) -> T:
        error = self.exception()
        if error is not None:
            raise error
        value: T = self.value
        return value

    def exception(self, timeout: float | None = None) -> BaseException | None:
        if self.cancelled():
            raise CancelledError
        assert self.has_outcome, "nobody waits for a ticket"
        return self.error

    # For the side that runs the portion.

    def set_running_or_notify_cancel(self) -> bool:
        return self.fate.setdefault(BEGUN, True)

    def set_result(self, result: T) -> None:
        self.value = result
        self.settle()

    def set_exception(self, exception: BaseException | None) -> None:
        self.error = exception
        self.settle()

    def settle(self) -> None:
        self.fate.setdefault(BEGUN, True)  # what has an outcome cannot be cancelled
        self.has_outcome = True
        self.tell()

    def tell(self) -> None:
        for listener in self.listeners.copy():
            listener(self)
