"""What can be done with a flow, wherever it runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from time import perf_counter
from typing import Any, Generic, Literal, TypeVar, overload

from cotality.core.utils.process import Outcome
from cotality.flow._flow.clients.in_loop import Answer
from cotality.flow._flow.clients.packing import pack_item, result_in
from cotality.flow._flow.errors.errors import ConnectionLostError, DeadlineError
from cotality.flow._flow.figures.status import FlowStatus
from cotality.flow._flow.wire import notes
from cotality.flow._flow.wire.frames import END

from .connections import Connections, check_priority

In = TypeVar("In")
Out = TypeVar("Out")

TIMEOUT = 5.0  # s that a call may take unless it says otherwise
FOR_EVER = 1e9  # s, which nobody means
LEAST = 0.001  # s that is always left of it, and that nobody misses
STATUS_LIMIT = 1.0  # s that a router may take to say how it is
CONTROL_EXTRA = 10.0  # s beyond the grace that an order may take to be confirmed


class Calls(Generic[In, Out]):
    """Sends items into a flow.

    Safe from any thread and from any number of event loops, and after a fork.
    """

    def _connections(self) -> Connections:
        raise NotImplementedError

    # One item.

    async def __call__(
        self,
        item: In,
        *,
        timeout: float | None = TIMEOUT,
        priority: int = 0,
        wait_for_room: bool = False,
    ) -> Out:
        """What the flow makes of *item*.

        Cancelling it takes the item out: one that waits is never handled, and of one
        that is being handled the result is dropped.

        Args:
            item: Is pickled. A result is never that of another item.
            timeout: How many seconds it may take, waiting included; None is for ever.
            priority: Larger goes first; below the number of priorities of the flow.
            wait_for_room: Wait if as many items wait as may, within *timeout*.

        Raises:
            Exception: What the handler raised, with the traceback from the worker.
            DeadlineError: Time was up.
            QueueFullError: As many items wait as may.
            StepDownError: The workers of a step cannot live.
            WorkerCrashedError: The worker that handled it died.
            TaskTimeoutError: The handler took longer than its step allows.
            ConnectionLostError: The router has ended, or nobody serves the flow.
            FlowStoppedError: The flow takes no items.
            TaskNotPicklableError: The item or the result cannot be sent.
        """
        limit = checked_timeout(timeout)
        connections = self._connections()
        connection = connections.of_this_loop()
        if connection is None:
            began = perf_counter()
            connection = await connections.open(limit)
            limit = rest_of(limit, began)
        assert connection.entry is not None
        number = connection.entry.number(item)
        if number & 0xFF == END:
            passed: Any = item  # Any: no step is for it, so it is the result
            result: Out = passed
            return result
        check_priority(priority, connection.entry.levels)
        call = connection.call(
            pack_item(item, connections.arena),
            number,
            limit,
            priority,
            is_patient=wait_for_room,
        )
        try:
            answer = await call.future
        except BaseException:  # cancelled, or closed with its loop
            connection.cancel(call)
            raise
        result = result_in(*answer)
        return result  # noqa: RET504  # it has the type of the result

    def call(
        self,
        item: In,
        *,
        timeout: float | None = TIMEOUT,
        priority: int = 0,
        wait_for_room: bool = False,
    ) -> Out:
        """The same from a thread, such as one of Flask or Django, or from a script.

        It blocks the thread, so do not call it in a coroutine. If an exception is
        raised in the thread meanwhile, such as a Ctrl-C, the item is removed from the
        flow.
        """
        limit = checked_timeout(timeout)
        passed: Any = item  # Any: the result, if no step is for it
        answer: Answer | None
        all_of_them = self._connections()
        connections = all_of_them.for_threads
        began = perf_counter()
        connection = connections.take(limit)
        try:
            limit = rest_of(limit, began)
            assert connection.entry is not None
            number = connection.entry.number(item)
            if number & 0xFF == END:
                answer = None
            else:
                check_priority(priority, connection.entry.levels)
                packed = pack_item(item, all_of_them.arena)
                answer = connection.call(
                    packed, number, limit, priority, is_patient=wait_for_room
                )
        except BaseException:
            connection.close()
            raise
        connections.give_back(connection)
        result: Out = result_in(*answer) if answer else passed
        return result

    # Many items.

    @overload
    async def map(
        self,
        items: Iterable[In],
        *,
        timeout: float | None = ...,
        priority: int = ...,
        on_error: Literal["raise"] = ...,
    ) -> list[Out]: ...

    @overload
    async def map(
        self,
        items: Iterable[In],
        *,
        timeout: float | None = ...,
        priority: int = ...,
        on_error: Literal["return"],
    ) -> list[Out | Exception]: ...

    async def map(
        self,
        items: Iterable[In],
        *,
        timeout: float | None = TIMEOUT,
        priority: int = 0,
        on_error: str = "raise",
    ) -> list[Any]:  # Any: see the overloads
        """The results of *items*, in their order.

        It waits while the queue is full, and reads *items* as there is room.

        Args:
            items: Any number of them.
            timeout: How many seconds each item may take, from when it is sent.
            priority: As for one item.
            on_error: ``"raise"`` raises the first failure, and removes all other items
                from the flow; with ``"return"``, each failure takes the place of its
                result.

        Raises:
            Exception: As for one item.
            TypeError: *items* is no iterable; or a mapping, a text or a data frame,
                whose items would be keys, characters or columns.
            ValueError: *on_error* is neither of these.
        """
        if on_error not in ("raise", "return"):
            raise ValueError(f"on_error must be 'raise' or 'return', got {on_error!r}")
        results: list[Any] = []
        stream = self.outcomes(items, timeout=timeout, priority=priority)
        try:
            async for outcome in stream:
                if outcome.error is not None and on_error == "raise":
                    raise outcome.error
                results.append(outcome.value if outcome.ok else outcome.error)
        finally:
            await stream.aclose()  # type: ignore[attr-defined]  # a generator
        return results

    def outcomes(
        self,
        items: Iterable[In],
        *,
        timeout: float | None = TIMEOUT,
        priority: int = 0,
        ordered: bool = True,
    ) -> AsyncIterator[Outcome[Out]]:
        """An `Outcome` for each of *items*: its value or its failure.

        ``seconds`` of an outcome is the time from sending the item to its answer.

        Args:
            items: Read as there is room.
            timeout: How many seconds each may take from when it is sent.
            priority: As for one item.
            ordered: In the order of *items*; otherwise as answers come.

        Raises:
            TypeError: As by `map`, by the call itself.
        """
        from cotality.core.calls import data_to_read

        from .many import AS_ONE, outcomes

        return outcomes(
            self._connections(),
            data_to_read(items, "items", way_out=AS_ONE),
            timeout=checked_timeout(timeout),
            priority=priority,
            ordered=ordered,
        )

    # How it is.

    def status(self) -> FlowStatus:
        """The state of the flow; not ``live`` if nothing answers. Takes 1 ms."""
        connections = self._connections().for_threads
        try:
            connection = connections.take(STATUS_LIMIT)
        except (ConnectionLostError, DeadlineError):
            return FlowStatus()
        try:
            answer = connection.ask(notes.question(notes.STATUS), STATUS_LIMIT)
        except (ConnectionLostError, DeadlineError):
            connection.close()
            return FlowStatus()
        except BaseException:
            connection.close()
            raise
        connections.give_back(connection)
        return FlowStatus.of(notes.read(answer))

    async def status_async(self) -> FlowStatus:
        """The same from a coroutine."""
        try:
            return FlowStatus.of(await self._ask(STATUS_LIMIT, notes.STATUS))
        except (ConnectionError, TimeoutError):
            return FlowStatus()

    async def metrics(self) -> str:
        """The figures of the flow as a text for Prometheus."""
        told = await self._ask(STATUS_LIMIT, notes.METRICS)
        return str(told.get("text", ""))

    async def reload(self, step: str | None = None) -> None:
        """Replace the workers of *step*, or of all steps, one after the other.

        Each new worker is ready before an old one ends. Calls see neither an error nor
        a pause. If the module of a handler has changed, it is imported again.

        Raises:
            ValueError: There is no such step, or the new workers cannot start: then the
                old ones stay.
        """
        told = await self._ask(None, notes.RELOAD, step=step)
        if told.get("error"):
            raise ValueError(f"not reloaded: {told['error']}")

    async def _ask(
        self, limit: float | None, what: str, **details: object
    ) -> dict[str, Any]:  # Any: what JSON has
        connection = await self._connections().open(limit)
        future = connection.ask(notes.question(what, **details))
        async with asyncio.timeout(limit):
            _, body, _ = await future
        return notes.read(body)


def checked_timeout(timeout: float | None) -> float | None:
    """*timeout*, None for no limit.

    Raises:
        TypeError: It is no number.
        ValueError: It is not more than 0.
    """
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, int | float):
        raise TypeError(f"timeout must be a number of seconds or None, got {timeout!r}")
    if not timeout > 0:
        raise ValueError(f"timeout must be more than 0 seconds, got {timeout!r}")
    return None if timeout > FOR_EVER else float(timeout)


def rest_of(timeout: float | None, began: float) -> float | None:
    """What is left of *timeout* for the call, after it has got a connection."""
    took = perf_counter() - began
    if timeout is None or took < LEAST:
        return timeout
    return max(timeout - took, LEAST)
