"""A call that is ready to run, and the methods that run it.

Its arguments are checked, and nothing has begun: one of the methods begins it, and
imports what it needs.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Sequence
from typing import TYPE_CHECKING, Any

from .call import Call
from .face import LISTS, Face
from .options.declared import Options

if TYPE_CHECKING:
    from cotality.core.utils._process.tasks.outcome import Outcome
    from cotality.core.utils._process.workers.lending.enclosures import Lender

    from .batches import Limits
    from .functions_async import Awaits

# Any in this module: what the tasks return.


def prepare(
    tasks: object,
    *,
    max_workers: object = None,
    use_processes: object = False,
    on_error: object = None,
    return_exceptions: object = False,
    options: Options | None = None,
    may_be_async: bool = False,
    face: Face = LISTS,
    planned: str = "",
    lender: Lender | None = None,
) -> Prepared:
    """A call that runs *tasks*, unless something is wrong with it.

    Args:
        tasks: As for :func:`execute_tasks_in_parallel`, as are *max_workers*,
            *use_processes*, *on_error*, *return_exceptions* and the *options*.
        may_be_async: Whether *tasks* may be what only an event loop can read; then none
            but the ways that end in ``_async`` can be gone.
        face: What the caller sees of the call, for messages.
        planned: Why it runs where it does, if a plan says so; the log shows it.
        lender: Whose worker processes it uses, unless it is inside of a ``with`` that
            says so, or starts workers of its own.

    Raises:
        TypeError: A value of the wrong type, or an option that does not exist.
        ValueError: A value out of range, or in contradiction to another.
    """
    call = Call.checked(
        tasks,
        {} if options is None else options,
        max_workers=max_workers,
        use_processes=use_processes,
        return_exceptions=return_exceptions,
        on_error=on_error,
        may_be_async=may_be_async,
        face=face,
    )
    if lender is not None:
        call = call._replace(options=call.options._replace(lender=lender))
    return Prepared(call._replace(planned=planned) if planned else call)


class Prepared:
    """A call that is ready to run; each of its ways runs it, and it runs once."""

    call: Call

    __slots__ = ("call",)

    def __init__(self, call: Call) -> None:
        self.call = call

    def knowing(self, outcomes: Sequence[Outcome[Any]]) -> Prepared:
        """The same call, whose first tasks have had these *outcomes*: none runs again.

        They count as what was done by it, and its observers hear of them.
        """
        from cotality.core.utils._process.engine.known_outcomes import KnownOutcomes

        return Prepared(self.call.knowing(KnownOutcomes(outcomes)))

    def results(self, *, ordered: bool = True) -> list[Any]:
        """Run it; all results in the order of the tasks, or as they finished."""
        return self.call.results(ordered=ordered)

    def stream(self, *, ordered: bool = True) -> Generator[tuple[int, Any], None, None]:
        """Yield ``(index, result)`` while the rest run; begins with ``next()``."""
        from cotality.core.utils._process.engine.delivery import stream

        return stream(self.one_by_one.blocking(), ordered)

    def values(self, *, ordered: bool = True) -> Generator[Any, None, None]:
        """Yield the results alone while the rest run; begins with ``next()``."""
        from cotality.core.utils._process.engine.delivery import values

        return values(self.one_by_one.blocking(), ordered)

    def outcomes(self, *, ordered: bool = True) -> Generator[Outcome[Any], None, None]:
        """Yield an `Outcome` for each task; no failure of a task is raised."""
        from cotality.core.utils._process.engine.delivery import outcomes

        return outcomes(self.in_detail.blocking(), ordered)

    def batches(
        self, limits: Limits, *, ordered: bool = True
    ) -> Generator[list[Any], None, None]:
        """Yield results in lists that are full when *limits* say so."""
        from .batches import batches

        return batches(self.one_by_one.blocking(), ordered, limits)

    def results_async(self, *, ordered: bool = True) -> Awaits[list[Any]]:
        """As :meth:`results`, to be awaited; the event loop goes on meanwhile."""
        from .functions_async import in_order_of_arrival, in_order_of_tasks

        return (in_order_of_tasks if ordered else in_order_of_arrival)(self.call)

    def stream_async(
        self, *, ordered: bool = True
    ) -> AsyncGenerator[tuple[int, Any], None]:
        """As :meth:`stream`, for an ``async for``."""
        from .functions_async import stream

        return stream(self.one_by_one, ordered)

    def outcomes_async(
        self, *, ordered: bool = True
    ) -> AsyncGenerator[Outcome[Any], None]:
        """As :meth:`outcomes`, for an ``async for``."""
        from .functions_async import outcomes

        return outcomes(self.in_detail, ordered)

    @property
    def one_by_one(self) -> Call:
        return self.call._replace(bounded=True)

    @property
    def in_detail(self) -> Call:
        return self.call._replace(bounded=True, detailed=True, on_error="return")
