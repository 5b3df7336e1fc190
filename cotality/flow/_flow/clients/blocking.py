"""Connections for threads: one that is taken is used by its thread alone.

It has one item on its way at a time. Whatever strikes the thread meanwhile, such as a
Ctrl-C, ends the connection: nobody else ever gets the answer that is still to come.
"""

from __future__ import annotations

import os
import select
import time
from collections import deque
from collections.abc import Sequence
from time import perf_counter

from cotality._kit.struck import is_of_a_signal
from cotality.core.hosting import Segment
from cotality.flow._flow.errors.errors import ConnectionLostError
from cotality.flow._flow.wire.descriptors import Kept
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
from .in_loop import CONNECT_LIMIT, CONNECT_PAUSE, SILENT_AFTER, Answer
from .packing import Entry, late, lost, nobody

MOST_IDLE = 32  # connections that are kept for the next thread


class SilentError(Exception):
    """Nothing has come in time. No `TimeoutError`: handlers of signals raise these."""


class BlockingConnection:
    """A connection that one thread at a time uses."""

    def __init__(self, pipe: Pipe, where: str) -> None:
        self.pipe = pipe
        self.where = where
        self.poll = select.poll()
        self.poll.register(pipe.fileno(), select.POLLIN)
        self.come: deque[Frame] = deque()  # frames that nobody has looked at
        self.serial = 0
        self.pid = os.getpid()
        self.connection: int | None = None
        self.entry: Entry | None = None

    @classmethod
    def open(cls, entrance: Entrance, limit: float | None) -> BlockingConnection:
        """A new one.

        Raises:
            ConnectionLostError: Nobody serves the flow.
        """
        end = perf_counter() + min(CONNECT_LIMIT, limit or CONNECT_LIMIT)
        where = entrance.describe()
        while True:
            error: Exception
            try:
                connection = cls(Pipe(entrance.connect(), FROM_ROUTER), where)
            except OSError as raised:
                if is_of_a_signal(raised):
                    raise
                error = raised
                if not is_passing(raised):
                    raise nobody(where, raised) from raised
            else:
                try:
                    connection.greet(end)
                    return connection
                except (ConnectionLostError, SilentError) as raised:
                    error = raised
                    connection.close()
                except BaseException:
                    connection.close()
                    raise
            if perf_counter() >= end:
                raise nobody(where, error) from error
            time.sleep(CONNECT_PAUSE)

    def greet(self, until: float) -> None:
        self.pipe.put(frame(Kind.HELLO))
        first = self.next(until)
        if first.kind != Kind.WELCOME:
            raise lost(self.where)
        welcome = Welcome.unpacked(first.body)
        self.entry = Entry(welcome)
        self.connection = welcome.connection

    def call(
        self,
        packed: tuple[bytes, Sequence[Segment]],
        number: int,
        timeout: float | None,
        priority: int,
        *,
        is_patient: bool,
    ) -> Answer:
        """Send an item and wait for the answer.

        Raises:
            DeadlineError: The router is silent.
            ConnectionLostError: It has ended.
        """
        until = perf_counter() + timeout if timeout else 0.0
        kind = Kind.CALL_WAITING if is_patient else Kind.CALL
        data, large = packed
        while True:
            seconds = max(until - perf_counter(), 0.001) if until else 0.0
            self.serial += 1
            head = HEAD.pack(
                *(VERSION, kind, len(large), priority, len(data), self.serial),
                *(seconds, number),
            )
            if large:
                self.pipe.put_with([each.fd for each in large], Kept(large), head, data)
            else:
                self.pipe.put(head, data)
            answer = self.answer(until + SILENT_AFTER if until else 0.0, timeout)
            if not (
                is_patient
                and answer.kind == Kind.REFUSED
                and answer.body[0] == Why.FULL
            ):
                return answer.kind, answer.body, answer.fds
            self.wait_for_room(until, timeout)

    def answer(self, until: float, timeout: float | None) -> Frame:
        """The answer to what was sent last."""
        try:
            while True:
                each = self.next(until)
                if each.number != self.connection:
                    raise lost(self.where)
                if each.serial == self.serial and each.kind != Kind.ROOM:
                    return each
        except SilentError as error:
            raise late(timeout or 0.0) from error

    def wait_for_room(self, until: float, timeout: float | None) -> None:
        try:
            while self.next(until).kind != Kind.ROOM:
                pass
        except SilentError as error:
            raise late(timeout or 0.0) from error

    def ask(self, body: bytes, limit: float | None) -> bytes | bytearray:
        """Send a question and wait for the answer."""
        self.serial += 1
        self.pipe.put(frame(Kind.ASK, body, serial=self.serial))
        return self.answer(perf_counter() + limit if limit else 0.0, limit).body

    def next(self, until: float) -> Frame:
        """The next frame that comes, or has come along with the one before.

        Raises:
            SilentError: None has come in time; 0.0 is for ever.
            ConnectionLostError: The other side is gone.
        """
        try:
            while True:
                is_sent = self.pipe.flush()
                if not self.come:
                    self.come.extend(self.pipe.read())
                if self.come:
                    return self.come.popleft()
                events = select.POLLIN | (0 if is_sent else select.POLLOUT)
                self.poll.modify(self.pipe.fileno(), events)
                left = until - perf_counter() if until else None
                if left is not None and left <= 0:
                    raise SilentError("it says nothing")
                self.poll.poll(None if left is None else max(1, int(left * 1000)))
        except (EOFError, OSError, BadFrameError) as error:
            if is_of_a_signal(error):
                raise
            raise lost(self.where) from error

    def is_usable(self) -> bool:
        """Whether it can be used again: nothing has come that nobody waited for."""
        try:
            return not (self.come or self.pipe.read() or self.pipe.is_amid)
        except (EOFError, OSError, BadFrameError) as error:
            if is_of_a_signal(error):
                raise
            return False

    def close(self) -> None:
        if self.pid == os.getpid():
            self.pipe.hang_up()
        else:
            self.pipe.close()  # it is the parent's

    def __del__(self) -> None:
        if getattr(self, "pid", None) is not None:
            self.close()


class BlockingConnections:
    """Those that no thread uses at the moment."""

    def __init__(self, entrance: Entrance) -> None:
        self.entrance = entrance
        self.idle: list[BlockingConnection] = []
        self.pid = os.getpid()

    def take(self, limit: float | None) -> BlockingConnection:
        """One for the calling thread alone."""
        while True:
            try:
                connection = self.idle.pop()
            except IndexError:
                return BlockingConnection.open(self.entrance, limit)
            if connection.is_usable():
                return connection
            connection.close()

    def give_back(self, connection: BlockingConnection) -> None:
        if len(self.idle) < MOST_IDLE and self.pid == os.getpid():
            self.idle.append(connection)
        else:
            connection.close()

    def forget(self) -> None:
        """In a forked child: they are the parent's."""
        idle, self.idle = self.idle, []
        self.pid = os.getpid()
        for connection in idle:
            connection.close()

    def close(self) -> None:
        while self.idle:
            self.idle.pop().close()
