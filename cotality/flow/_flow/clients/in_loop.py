"""The connection of one event loop, which all of its coroutines share.

What is called for in one turn of the loop goes out in one write, and all answers that
have come are given out in one callback. Nobody but the loop's own thread touches it.
"""

from __future__ import annotations

import asyncio
import os
import weakref
from collections import deque
from collections.abc import Sequence
from time import perf_counter
from typing import Any, TypeAlias

from cotality._kit.struck import is_of_a_signal
from cotality.core.hosting import Segment
from cotality.flow._flow.wire.descriptors import Descriptors, Kept
from cotality.flow._flow.wire.frames import (
    FROM_ROUTER,
    HEAD,
    VERSION,
    BadFrameError,
    Kind,
    Why,
    frame,
)
from cotality.flow._flow.wire.notes import Welcome
from cotality.flow._flow.wire.pipe import Frame, Pipe

from .entrance import Entrance, is_passing
from .packing import Entry, late, lost, nobody, not_sent

CONNECT_LIMIT = 3.0  # s that somebody may take to serve the flow again
CONNECT_PAUSE = 0.02  # s between two attempts
CHECK_EVERY = 1.0  # s between two looks whether the router is silent
SILENT_AFTER = 1.0  # s beyond a deadline, which the router itself has to keep

Answer: TypeAlias = "tuple[int, bytes | bytearray, Descriptors | None]"
Future: TypeAlias = "asyncio.Future[Answer]"


class Call:
    """One call that has no answer.

    Attributes:
        until: When it is due, by `perf_counter`; 0.0 for never.
        data: What is sent again if there was no room; None if it will not be.
        large: The memory that belongs to it.
        serial: By which the router knows it now.
    """

    __slots__ = (
        *("data", "future", "large", "level", "number", "serial", "timeout", "until"),
    )

    def __init__(self, future: Future, timeout: float | None) -> None:
        self.future = future
        self.timeout = timeout
        self.until = perf_counter() + timeout if timeout else 0.0
        self.data: bytes | None = None
        self.large: Sequence[Segment] = ()
        self.level = self.number = self.serial = 0


class LoopConnection:
    """A connection to the router.

    Attributes:
        is_lost: Whether it cannot be used any more.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, pipe: Pipe, where: str) -> None:
        # The loop knows this connection; it should not keep the loop.
        self.loop = weakref.ref(loop)
        self.pipe = pipe
        self.where = where
        self.pid = os.getpid()
        self.calls: dict[int, Call] = {}
        self.questions: dict[int, Future] = {}
        self.parked: deque[Call] = deque()
        self.serial = 0
        self.is_lost = False
        self.will_flush = False
        self.is_writing = False
        self.is_checking = False
        self.welcome: Welcome | None = None
        self.welcomed: asyncio.Future[Welcome] = loop.create_future()
        self.entry: Entry | None = None
        loop.add_reader(pipe.fileno(), self.came)
        self.put(frame(Kind.HELLO))

    @classmethod
    async def open(cls, entrance: Entrance, limit: float | None) -> LoopConnection:
        """A new connection.

        Raises:
            ConnectionLostError: Nobody serves the flow.
        """
        loop = asyncio.get_running_loop()
        end = perf_counter() + min(CONNECT_LIMIT, limit or CONNECT_LIMIT)
        while True:
            error: Exception
            try:
                connection = cls(
                    loop, Pipe(entrance.connect(), FROM_ROUTER), entrance.describe()
                )
            except OSError as raised:
                if is_of_a_signal(raised):
                    raise
                error = raised
                if not is_passing(raised):
                    raise nobody(entrance.describe(), raised) from raised
            else:
                try:
                    async with asyncio.timeout(max(end - perf_counter(), 0.001)):
                        await connection.welcomed
                    return connection
                except TimeoutError as raised:
                    error = raised
                    connection.close()
                except ConnectionError as raised:
                    error = raised  # it has ended while it was asked
                except BaseException:
                    connection.close()
                    raise
            if perf_counter() >= end:
                raise nobody(entrance.describe(), error) from error
            await asyncio.sleep(CONNECT_PAUSE)

    # What goes.

    def call(
        self,
        packed: tuple[bytes, Sequence[Segment]],
        number: int,
        timeout: float | None,
        priority: int,
        *,
        is_patient: bool,
    ) -> Call:
        """Send an item; its ``future`` will have the answer.

        Raises:
            ConnectionLostError: It has ended; nobody has seen the item.
        """
        if self.is_lost:
            raise not_sent(self.where)
        loop = self.loop()
        assert loop is not None
        future: Future = loop.create_future()
        call = Call(future, timeout)
        data, large = packed
        if is_patient:
            call.data, call.level, call.number, call.large = (
                *(data, priority, number),
                large,
            )
        self.send(call, data, large, number, priority)
        return call

    def send(
        self,
        call: Call,
        data: bytes,
        large: Sequence[Segment],
        number: int,
        level: int,
    ) -> None:
        self.serial = call.serial = serial = self.serial + 1
        seconds = max(call.until - perf_counter(), 0.001) if call.until else 0.0
        kind = Kind.CALL if call.data is None else Kind.CALL_WAITING
        head = HEAD.pack(
            *(VERSION, kind, len(large), level, len(data), serial, seconds, number)
        )
        self.calls[serial] = call
        if large:
            self.pipe.put_with([each.fd for each in large], Kept(large), head, data)
            self.put()
        else:
            self.put(head, data)
        if not self.is_checking:
            self.check_later()

    def cancel(self, call: Call) -> None:
        """Nobody waits for the answer any more."""
        if self.calls.pop(call.serial, None) is not None:
            if not self.is_lost:
                self.put(frame(Kind.CANCEL, serial=call.serial))
        elif call in self.parked:
            self.parked.remove(call)

    def ask(self, body: bytes) -> Future:
        """Send a question; what will have the answer to it.

        Raises:
            ConnectionLostError: It has ended.
        """
        if self.is_lost:
            raise not_sent(self.where)
        loop = self.loop()
        assert loop is not None
        self.serial += 1
        future: Future = loop.create_future()
        self.questions[self.serial] = future
        self.put(frame(Kind.ASK, body, serial=self.serial))
        return future

    def put(self, *parts: bytes) -> None:
        self.pipe.put(*parts)
        if not self.will_flush:
            loop = self.loop()
            if loop is not None and not loop.is_closed():
                # In this order: a handler of a signal may raise in between.
                loop.call_soon(self.flush)
                self.will_flush = True

    def flush(self) -> None:
        self.will_flush = False
        if self.is_lost:
            return
        try:
            is_all = self.pipe.flush()
        except OSError as error:
            self.lose()
            if is_of_a_signal(error):
                raise
            return
        except BaseException:
            self.lose()  # nobody knows how much of it was sent
            raise
        loop = self.loop()
        if is_all == self.is_writing and loop is not None:
            self.is_writing = not is_all
            if is_all:
                loop.remove_writer(self.pipe.fileno())
            else:
                loop.add_writer(self.pipe.fileno(), self.flush)

    # What comes.

    def came(self) -> None:
        if self.is_lost:
            return
        try:
            self.take(self.pipe.read())
        except (EOFError, OSError, BadFrameError) as error:
            self.lose()
            if is_of_a_signal(error):
                raise
        except BaseException:
            self.lose()  # an answer may be lost, whose call would wait for ever
            raise

    def take(self, frames: list[Frame]) -> None:
        """Give out what has come."""
        calls, connection = self.calls, self.welcome
        for each in frames:
            kind = each.kind
            if connection is None or each.number != connection.connection:
                connection = self.greeted(each)
                if connection is None:
                    return
                continue
            if kind <= Kind.REFUSED:
                call = calls.pop(each.serial, None)
                if call is None:
                    continue  # nobody waits for it any more
                if kind == Kind.REFUSED and call.data and each.body[0] == Why.FULL:
                    self.park(call)
                elif not call.future.done():
                    call.future.set_result((kind, each.body, each.fds))
            elif kind == Kind.ANSWER:
                question = self.questions.pop(each.serial, None)
                if question is not None and not question.done():
                    question.set_result((kind, each.body, None))
            elif kind == Kind.ROOM:
                self.unpark(each.serial)

    def greeted(self, first: Frame) -> Welcome | None:
        """Take the welcome; None if it is none, and the connection is lost by that."""
        if self.welcome is not None or first.kind != Kind.WELCOME:
            self.lose()  # an answer that is meant for somebody else
            return None
        try:
            welcome = Welcome.unpacked(first.body)
            self.entry = Entry(welcome)
        except Exception as error:
            if is_of_a_signal(error):
                raise
            # Whatever the conditions of the flow need, and this program does not have.
            if not self.welcomed.done():
                self.welcomed.set_exception(error)
            self.lose()
            return None
        self.welcome = welcome
        if not self.welcomed.done():
            self.welcomed.set_result(welcome)
        return welcome

    # Calls for which there was no room.

    def park(self, call: Call) -> None:
        self.parked.append(call)
        loop = self.loop()
        if call.until and loop is not None:
            loop.call_later(max(call.until - perf_counter(), 0.0), self.give_up, call)

    def give_up(self, call: Call) -> None:
        if call in self.parked:
            self.parked.remove(call)
            if not call.future.done():
                call.future.set_exception(late(call.timeout or 0.0))

    def unpark(self, count: int) -> None:
        """Send *count* calls again."""
        while count and self.parked:
            call = self.parked.popleft()
            if call.future.done() or call.data is None:
                continue
            self.send(call, call.data, call.large, call.number, call.level)
            count -= 1

    # The router, if it says nothing at all.

    def check_later(self) -> None:
        loop = self.loop()
        if loop is not None:
            loop.call_later(CHECK_EVERY, self.check)
            self.is_checking = True

    def check(self) -> None:
        self.is_checking = False
        if self.is_lost or not self.calls:
            return
        late_by = perf_counter() - SILENT_AFTER
        for serial, call in list(self.calls.items()):
            if 0.0 < call.until < late_by:
                del self.calls[serial]
                if not call.future.done():
                    call.future.set_exception(late(call.timeout or 0.0))
        self.flush()  # should a handler of a signal have raised just before
        self.check_later()

    # Its end.

    def lose(self) -> None:
        """The other side is gone: nothing more comes."""
        if self.is_lost:
            return
        self.close()
        calls, self.calls = self.calls, {}
        parked, self.parked = self.parked, deque()
        questions, self.questions = self.questions, {}
        waiting: list[asyncio.Future[Any]] = [self.welcomed]  # Any: of either kind
        waiting += [call.future for call in (*calls.values(), *parked)]
        waiting += questions.values()
        for future in waiting:
            if not future.done():
                future.set_exception(lost(self.where))
                future.exception()  # perhaps nobody waits for it any more

    def close(self) -> None:
        """Hang up."""
        if self.is_lost:
            return
        self.is_lost = True
        loop = self.loop()
        if loop is not None and not loop.is_closed() and self.pid == os.getpid():
            loop.remove_reader(self.pipe.fileno())
            if self.is_writing:
                loop.remove_writer(self.pipe.fileno())
        self.hang_up()

    def hang_up(self) -> None:
        if self.pid == os.getpid():
            self.pipe.hang_up()
        else:
            self.pipe.close()  # it is the parent's

    def __del__(self) -> None:
        # A loop that was closed without a word has forgotten it.
        if not getattr(self, "is_lost", True):
            self.hang_up()
