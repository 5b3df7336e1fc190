"""Streams of events: what a browser reads, and when they end."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager

import pytest
from starlette.types import Receive, Scope, Send

from cotality.web import Streams
from cotality.web._web.events import streams as streams_module
from cotality.web._web.events.ending import Ending
from cotality.web._web.events.frames import frame
from tests.kit.limits import LONG_S
from tests.web.asgi import Client, run

pytestmark = pytest.mark.one_python


class Source:
    """Events that come when somebody lets them, and how many were taken."""

    def __init__(self, *kinds: str) -> None:
        self.queue: asyncio.Queue[str | None] = asyncio.Queue()
        for kind in kinds:
            self.queue.put_nowait(kind)
        self.taken = 0
        self.is_closed = asyncio.Event()

    async def frames(self) -> AsyncGenerator[bytes]:
        try:
            while (kind := await self.queue.get()) is not None:
                self.taken += 1
                yield frame("{}", id=f"{self.taken}", kind=kind)
        finally:
            self.is_closed.set()


def serving(streams: Streams, source: Source) -> Client:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await streams.answer(source.frames())(scope, receive, send)

    return Client(app)


def test_an_event_has_one_line_for_each_of_its_data() -> None:
    """A line end within would otherwise end it."""
    assert frame("a\nb\r\nc", id="7", kind="job") == (
        b"id: 7\nevent: job\ndata: a\ndata: b\ndata: c\n\n"
    )
    assert frame("", id="7", kind="job") == b"id: 7\nevent: job\ndata: \n\n"


def test_a_stream_has_all_events_in_order_and_ends_with_them() -> None:
    """A browser is told first when to connect again."""

    async def asked() -> None:
        source = Source("a", "b")
        source.queue.put_nowait(None)
        streams = Streams()
        answer = await serving(streams, source).get("/")

        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-accel-buffering"] == "no"
        assert answer.body == (
            b"retry: 2000\n\nid: 1\nevent: a\ndata: {}\n\nid: 2\nevent: b\ndata: {}\n\n"
        )
        assert streams.open == 0

    run(asked())


def test_a_silent_stream_says_that_it_is_alive() -> None:
    """And misses no event for that."""

    async def asked() -> None:
        source = Source()
        exchange = serving(Streams(heartbeat_s=0.01), source).begin("GET", "/")
        await exchange.until(": alive\n\n: alive\n\n")
        source.queue.put_nowait("late")
        await exchange.until("event: late")
        source.queue.put_nowait(None)
        answer = await exchange.end()
        assert answer.body.count(b"event: late") == 1

    run(asked())


def test_a_client_that_hangs_up_ends_its_stream() -> None:
    """What the events came from is let go of."""

    async def asked() -> None:
        source, streams = Source("a"), Streams()
        exchange = serving(streams, source).begin("GET", "/")
        await exchange.until("event: a")
        assert streams.open == 1
        exchange.hang_up()
        await exchange.end()
        assert source.is_closed.is_set()
        assert streams.open == 0

    run(asked())


def test_there_are_so_many_streams_and_no_more() -> None:
    """The next one is told to come again, until one of them has ended."""

    async def asked() -> None:
        source, streams = Source(), Streams(most=2)
        client = serving(streams, source)
        two = [client.begin("GET", "/") for _ in range(2)]
        for exchange in two:
            await exchange.until("retry")
        refused = await client.get("/")
        assert (refused.status, refused.headers["retry-after"]) == (503, "5")
        assert refused.json["type"].endswith("too-many-streams")

        two[0].hang_up()
        await two[0].end()
        third = client.begin("GET", "/")
        await third.until("retry")
        for exchange in (two[1], third):
            exchange.hang_up()
            await exchange.end()

    run(asked())


def test_a_client_that_reads_nothing_costs_no_memory() -> None:
    """No event is asked for before the one before has left."""

    async def asked() -> None:
        source = Source("first")
        exchange = serving(Streams(), source).begin("GET", "/")
        await exchange.until("event: first")
        exchange.hears.clear()
        for _ in range(1000):
            source.queue.put_nowait("more")
        for _ in range(100):
            await asyncio.sleep(0)
        assert source.taken <= 3
        exchange.hears.set()
        source.queue.put_nowait(None)
        answer = await exchange.end()
        assert answer.body.count(b"event: more") == 1000

    run(asked())


def test_a_client_that_reads_nothing_for_long_is_let_go_of(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It would keep a place for ever."""
    monkeypatch.setattr(streams_module, "STUCK_S", 0.01)
    monkeypatch.setattr(streams_module, "LAST_S", 0.01)

    async def asked() -> None:
        source, streams = Source("first"), Streams()
        exchange = serving(streams, source).begin("GET", "/")
        await exchange.until("event: first")
        exchange.hears.clear()
        source.queue.put_nowait("more")
        await exchange.end()
        assert not exchange.is_complete
        assert source.is_closed.is_set()
        assert streams.open == 0

    run(asked())
    assert "a stream of events has ended early" in caplog.text


def test_a_source_that_fails_ends_the_stream_and_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The browser connects again, and is told with a status."""

    async def broken() -> AsyncGenerator[bytes]:
        yield frame("{}", id="1", kind="a")
        raise OSError("the store has gone")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await Streams().answer(broken())(scope, receive, send)

    body = run(Client(app).get("/")).body

    assert body.endswith(b"event: a\ndata: {}\n\n")
    assert "the store has gone" in caplog.text


def test_a_stream_ends_after_a_while_in_any_case() -> None:
    """Its client connects again, so a server that says nothing can end."""

    async def asked() -> None:
        source = Source("first")
        answer = await serving(Streams(longest_s=0.05), source).get("/")
        assert b"event: first" in answer.body
        assert source.is_closed.is_set()

    run(asked())


# When the service ends.


def test_all_streams_end_when_the_service_does() -> None:
    """Each with a complete answer, so that the server has nothing to wait for."""

    async def asked() -> None:
        ending = Ending()
        source, streams = Source(), Streams(ending=ending)
        client = serving(streams, source)
        many = [client.begin("GET", "/") for _ in range(20)]
        for exchange in many:
            await exchange.until("retry")
        ending.begin()
        for exchange in many:
            await exchange.end()
            assert exchange.is_complete
        assert streams.open == 0

    run(asked())


@contextmanager
def server_handles(number: int, said: list[str]) -> Iterator[None]:
    """What a server does: it has a handler of its own while it runs."""
    before = signal.signal(number, lambda *_: said.append("server"))
    try:
        yield
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_heard_and_passed_on(number: signal.Signals) -> None:
    """The server is told as if nobody else had listened."""
    said: list[str] = []

    async def asked() -> None:
        source, ending = Source(), Ending()
        exchange = serving(Streams(ending=ending), source).begin("GET", "/")
        await exchange.until("retry")
        assert not ending.is_near
        os.kill(os.getpid(), number)
        await exchange.end()
        assert ending.is_near
        assert said == ["server"]
        ending.forget()
        os.kill(os.getpid(), number)
        assert said == ["server", "server"]

    with server_handles(number, said):
        run(asked())


def test_signals_that_nobody_handles_are_left_alone() -> None:
    """A program without a server ends as ever; and what others set later stays."""
    ending = Ending()

    async def watched(change: Callable[[], object] = lambda: None) -> None:
        ending.watch()
        change()
        ending.forget()

    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    run(watched())
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL

    said: list[str] = []
    with server_handles(signal.SIGTERM, said):
        theirs = lambda *_: said.append("later")  # noqa: E731  # one line says it
        run(watched(lambda: signal.signal(signal.SIGTERM, theirs)))
        assert signal.getsignal(signal.SIGTERM) is theirs


def test_a_second_loop_begins_anew() -> None:
    """What ended with one loop does not end another one's streams."""
    ending = Ending()

    async def ended() -> bool:
        ending.watch()
        was_near = ending.is_near
        ending.begin()
        async with asyncio.timeout(LONG_S):
            await ending.wait()
        return was_near

    assert [run(ended()) for _ in range(2)] == [False, False]
    ending.forget()
