"""The `with` block around a call, whose workers the call uses.

It is apart from the pools, so that a call can ask without loading what workers need.
"""

from __future__ import annotations

import weakref
from collections.abc import Generator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol

from cotality._kit.around import around
from cotality._kit.records import NamedTuple

if TYPE_CHECKING:
    from cotality.core.utils._process.workers.handle import WorkerPlan
    from cotality.core.utils._process.workers.pool import Pool


class Loan(Protocol):
    """The workers of a lender for as long as somebody holds this."""

    @property
    def pool(self) -> Pool: ...

    def close(self) -> None:
        """Give them back; may be called again."""
        ...


class Lender(Protocol):
    """Who has a pool for many calls, and is told while one of them uses it."""

    @property
    def max_workers(self) -> int: ...

    @property
    def plan(self) -> WorkerPlan: ...

    def lend(self) -> Loan:
        """The pool, for one call more."""
        ...


class Enclosure:
    """A `with` whose calls run on the workers of *lender*.

    It is over when its frame is gone, also if an exception has struck before the frame
    could say so.
    """

    def __init__(self, lender: Pool | Lender) -> None:
        self.lender = lender


class Inside(NamedTuple):
    """The innermost `with` of that kind, and those around it."""

    enclosure: weakref.ref[Enclosure]
    around: Inside | None


# Of this thread or coroutine.
inside: ContextVar[Inside | None] = ContextVar("cotality_worker_pool", default=None)


def enclosing() -> Pool | Lender | None:
    """Whose workers the enclosing `with worker_pool(...)`, or its like, is about."""
    innermost = inside.get()
    while innermost is not None:
        enclosure = innermost.enclosure()
        if enclosure is not None:
            return enclosure.lender
        innermost = innermost.around
    return None


@around
def enclosed_by(lender: Pool | Lender) -> Generator[None, None, None]:
    """Have calls in the ``with`` run on the workers of *lender*."""
    enclosure = Enclosure(lender)
    token = inside.set(Inside(weakref.ref(enclosure), inside.get()))
    try:
        yield
    finally:
        try:
            inside.reset(token)
        except ValueError:
            # The other half of a generator may run in another context, as in a fixture
            # of pytest. The context that was entered is gone then.
            pass
