"""From the begin of the service to its end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

from cotality._kit.safe_text import class_and_text, printable
from cotality.web._web.desk.desk import Desk
from cotality.web._web.events.ending import Ending
from cotality.web._web.guard.rates import Rates
from cotality.web._web.routes.mounted.adding_up import RequestFigures

logger = logging.getLogger("cotality.web")

WRITE_S = 1.0  # between two times that other web workers are told what was counted


@asynccontextmanager
async def living(
    desk: Desk, ending: Ending, requests: RequestFigures, rates: Rates
) -> AsyncGenerator[None]:
    """The time in which requests are answered.

    At its end those that only wait are answered first: streams end, and who waits for a
    task is told where to look. Most servers say that they end when all is answered, so
    that is when their signal comes; here it is for those that give none.
    """
    async with AsyncExitStack() as stack:
        ending.watch()
        stack.callback(ending.forget)
        stack.push_async_callback(rates.close)
        await desk.open()
        stack.push_async_callback(desk.close)
        writing = asyncio.create_task(keep_writing(requests))
        stack.push_async_callback(stop_writing, writing, requests)
        stack.callback(ending.begin)
        yield


async def keep_writing(requests: RequestFigures) -> None:
    is_written = True
    while True:
        now = requests.figures.as_json()
        is_written = await asyncio.to_thread(
            write, requests, now, is_told=not is_written
        )
        await asyncio.sleep(WRITE_S)


async def stop_writing(writing: asyncio.Task[None], requests: RequestFigures) -> None:
    writing.cancel()
    await asyncio.wait([writing])
    await asyncio.to_thread(write, requests)


def write(
    requests: RequestFigures, now: str | None = None, *, is_told: bool = False
) -> bool:
    """Write what was counted until *now*, or for the last time; whether it could be.

    That it could not is told, unless it is by now: a disk that is full has no room for
    the same line each second.
    """
    try:
        requests.close() if now is None else requests.write(now)
    except OSError as error:
        # Figures are not worth a request.
        if not is_told:
            logger.warning(
                "what was counted of requests cannot be written for now: %s",
                printable(class_and_text(error)),
            )
        return False
    return True
