"""Many items at a time: as many on their way as the flow takes, and no more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from time import perf_counter, time
from typing import Any

from cotality._kit.struck import is_of_a_signal
from cotality.core.utils.process import Outcome, Task
from cotality.flow._flow.clients.in_loop import Call, LoopConnection
from cotality.flow._flow.clients.packing import pack_item, result_in
from cotality.flow._flow.wire.frames import END

from .connections import Connections, check_priority

WINDOW = 256  # items on their way, or fewer if fewer may wait
MOST_BYTES = 256 * 1024 * 1024  # of items on their way; one may have more
# What to do with a mapping, a text or a data frame.
AS_ONE = "Send it as one item, or give a list of the items that you mean."


class Sent:
    """An item on its way."""

    def __init__(self, index: int, item: Any) -> None:  # Any: of any type
        self.index = index
        self.item = item
        self.call: Call | None = None
        self.error: Exception | None = None  # it could not be sent
        self.size = 0  # bytes that it holds, packed
        self.began = perf_counter()
        self.started_at = time()
        self.seconds = 0.0

    @property
    def is_done(self) -> bool:
        return self.call is None or self.call.future.done()

    def outcome(self) -> Outcome[Any]:  # Any: of what the flow makes
        outcome: Outcome[Any] = Outcome(
            self.index,
            Task.of(through_flow, self.item),
            started_at=self.started_at,
            seconds=self.seconds,
            worker="flow",
        )
        if self.error is not None:
            outcome.error = self.error
        elif self.call is None:
            outcome.value = self.item  # no step is for it
        else:
            try:
                outcome.value = result_in(*self.call.future.result())
            except Exception as error:
                if is_of_a_signal(error):
                    raise
                outcome.error = error
        return outcome


def through_flow(item: Any) -> Any:  # Any: stands for a whole flow
    """What the task of an outcome seems to call."""
    raise TypeError("an item of a flow is sent with the flow, not called by itself")


async def outcomes(
    connections: Connections,
    items: Iterable[Any],  # Any: of any type
    *,
    timeout: float | None,
    priority: int,
    ordered: bool,
) -> AsyncGenerator[Outcome[Any], None]:
    """Send *items*, and yield what becomes of them."""
    connection = await connections.open(timeout)
    assert connection.welcome is not None
    check_priority(priority, connection.welcome.levels)
    window = max(1, min(WINDOW, connection.welcome.share // 2))
    waiting: dict[int, Sent] = {}
    numbered = enumerate(items)
    bell = asyncio.Event()
    try:
        while True:
            fill(
                *(connections, connection, numbered, waiting, window),
                *(timeout, priority, bell.set),
            )
            if not waiting:
                return
            chosen = next_of(waiting, ordered=ordered)
            if chosen is None:
                bell.clear()
                await bell.wait()
                continue
            del waiting[chosen.index]
            yield chosen.outcome()
            if connection.is_lost:
                connection = await connections.open(timeout)
    finally:
        for sent in waiting.values():
            if sent.call is not None and not sent.call.future.done():
                connection.cancel(sent.call)


def next_of(waiting: dict[int, Sent], *, ordered: bool) -> Sent | None:
    """What can be yielded now."""
    if ordered:
        first = next(iter(waiting.values()))
        return first if first.is_done else None
    return next((sent for sent in waiting.values() if sent.is_done), None)


def fill(
    connections: Connections,
    connection: LoopConnection,
    numbered: Iterator[tuple[int, Any]],  # Any: items
    waiting: dict[int, Sent],
    window: int,
    timeout: float | None,
    priority: int,
    ring: Callable[[], None],
) -> None:
    """Send items until as many are on their way as may be."""
    held = sum(sent.size for sent in waiting.values())
    while len(waiting) < window and held < MOST_BYTES:
        following = next(numbered, None)
        if following is None:
            return
        sent = Sent(*following)
        waiting[sent.index] = sent
        try:
            send(connections, connection, sent, timeout, priority, ring)
        except Exception as error:
            if is_of_a_signal(error):
                raise
            sent.error = error
        held += sent.size


def send(
    connections: Connections,
    connection: LoopConnection,
    sent: Sent,
    timeout: float | None,
    priority: int,
    ring: Callable[[], None],
) -> None:
    assert connection.entry is not None
    number = connection.entry.number(sent.item)
    if number & 0xFF == END:
        return
    data, large = pack_item(sent.item, connections.arena)
    packed = data, large
    sent.size = len(data) + sum(segment.size for segment in large)
    sent.call = connection.call(packed, number, timeout, priority, is_patient=True)

    def come(_: object) -> None:
        sent.seconds = perf_counter() - sent.began
        ring()

    sent.call.future.add_done_callback(come)
