"""Streams of events: how many there may be, and when each of them ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from contextlib import aclosing, contextmanager

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from cotality._kit.public import public_in
from cotality._kit.safe_text import class_and_text, printable
from cotality._kit.struck import is_of_a_signal
from cotality.web._web.guard.problems import Problem, wait_header

from .ending import Ending
from .frames import ALIVE, BEGIN, MEDIA_TYPE
from .hanging_up import first_of, hung_up

logger = logging.getLogger("cotality.web")

MOST = 200
HEARTBEAT_S = 15.0
LONGEST_S = 3600.0
# A client that reads nothing for this long, while all buffers for it are full, is gone,
# or means no good.
STUCK_S = 30.0
LAST_S = 0.5  # that the end of a stream may take
FULL_S = 5.0  # after which there may be room for another one


@public_in("cotality.web")
class Streams:
    """All streams of events of one application.

    None of them is held in memory: the next event is asked for when the one before has
    left. So a client that reads slowly misses what it could not read, and costs no more
    than the buffers of its connection.

    Args:
        most: How many there may be at a time.
        heartbeat_s: Seconds after which a silent one says that it is alive.
        longest_s: Seconds after which one ends in any case, and its client connects
            again: a server may have no way to say that it ends.
        ending: With which all of them end.
    """

    heartbeat_s: float
    longest_s: float
    ending: Ending
    open: int

    def __init__(
        self,
        most: int = MOST,
        *,
        heartbeat_s: float = HEARTBEAT_S,
        longest_s: float = LONGEST_S,
        ending: Ending | None = None,
    ) -> None:
        self.most = most
        self.heartbeat_s, self.longest_s = heartbeat_s, longest_s
        self.ending = Ending() if ending is None else ending
        self.open = 0

    def answer(self, frames: AsyncGenerator[bytes]) -> Response:
        """The answer that has *frames*, each of which is whole.

        It is 503 where there are too many streams.
        """
        return EventStream(self, frames)

    def full(self) -> Problem:
        """Why there is no other one."""
        return Problem(
            503,
            "too-many-streams",
            f"{self.most} streams of events are open, and no more are served. Ask for "
            f"the status instead, or come again",
            headers=wait_header(FULL_S),
        )

    @contextmanager
    def counted(self) -> Generator[None]:
        self.open += 1
        try:
            yield
        finally:
            self.open -= 1


class EventStream(Response):
    """The answer that is a stream of events."""

    media_type = MEDIA_TYPE

    def __init__(self, streams: Streams, frames: AsyncGenerator[bytes]) -> None:
        self.streams, self.frames = streams, frames
        self.status_code, self.background = 200, None
        self.init_headers(
            {
                "Cache-Control": "no-store",
                "X-Accel-Buffering": "no",  # of nginx, which would hold events back
            }
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until they end, the client hangs up, or the service ends."""
        if self.streams.open >= self.streams.most:
            await self.frames.aclose()
            await self.streams.full().answer()(scope, receive, send)
            return
        self.streams.ending.watch()
        with self.streams.counted():
            async with aclosing(self.frames) as frames:
                await send(
                    {
                        "type": "http.response.start",
                        "status": self.status_code,
                        "headers": self.raw_headers,
                    }
                )
                try:
                    await first_of(
                        self.send_all(frames, send),
                        hung_up(receive),
                        self.streams.ending.wait(),
                        asyncio.sleep(self.streams.longest_s),
                    )
                except Exception as error:
                    if is_of_a_signal(error):
                        raise
                    # Its client connects again, and is told with a status.
                    logger.warning(
                        "a stream of events has ended early: %s",
                        printable(class_and_text(error)),
                    )
            await finish(send)

    async def send_all(self, frames: AsyncIterator[bytes], send: Send) -> None:
        await send_part(BEGIN, send)
        parts = with_heartbeat(frames, self.streams.heartbeat_s)
        async with aclosing(parts):
            async for part in parts:
                await send_part(part, send)


async def send_part(part: bytes, send: Send) -> None:
    async with asyncio.timeout(STUCK_S):
        await send({"type": "http.response.body", "body": part, "more_body": True})


async def finish(send: Send) -> None:
    """Say that this is all, to one who still reads."""
    try:
        async with asyncio.timeout(LAST_S):
            await send({"type": "http.response.body", "body": b"", "more_body": False})
    except TimeoutError:
        return  # it does not; the server closes the connection


async def with_heartbeat(
    frames: AsyncIterator[bytes], every_s: float
) -> AsyncGenerator[bytes]:
    """*frames*, and a sign of life whenever none has come for *every_s* seconds."""
    following = asyncio.ensure_future(anext(frames, None))
    try:
        while True:
            done, _ = await asyncio.wait([following], timeout=every_s)
            if not done:
                yield ALIVE
                continue
            part = following.result()
            if part is None:
                return
            yield part
            following = asyncio.ensure_future(anext(frames, None))
    finally:
        # Not to be closed while it runs.
        following.cancel()
        await asyncio.wait([following])
