"""A FastAPI service that computes: ``uvicorn fastapi_app:app``.

Each request has its work done in worker processes, while the event loop goes on
answering others. All requests share the workers of one manager. A client that hangs
up cancels its request, and with it the work.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from fastapi import FastAPI, HTTPException, Request

from cotality.core.utils.process import TaskTimeoutError, WorkerCrashedError
from cotality.tuning import get_global_pool_manager, shutdown_global_pool_manager

T = TypeVar("T")
LOOK_INTERVAL = 0.1  # s between looks whether a client is still there
LIMIT_S = 30  # that one part of a request may take


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """The workers are there before the first request, and gone after the last."""
    await asyncio.to_thread(get_global_pool_manager().warm_up)
    yield
    await asyncio.to_thread(shutdown_global_pool_manager)


app = FastAPI(lifespan=lifespan)


@app.get("/health")
async def health() -> dict[str, Any]:
    """Answered by the event loop alone, also while everything computes."""
    status = get_global_pool_manager().status()
    return {"status": "ok", "busy": status.busy, "calls": status.calls}


@app.get("/primes")
async def primes(request: Request, limit: int, parts: int = 4) -> dict[str, int]:
    """How many primes there are below *limit*, counted in *parts* tasks."""
    if not (2 <= limit <= 10_000_000 and 1 <= parts <= 100):
        raise HTTPException(422, "limit must be 2 to 10,000,000, parts 1 to 100")
    work = get_global_pool_manager().execute_async(
        count_primes, ranges(limit, parts), timeout=LIMIT_S
    )
    try:
        counts = await unless_hung_up(request, work)
    except (WorkerCrashedError, TaskTimeoutError) as error:
        raise HTTPException(503, "this request could not be computed") from error
    return {"limit": limit, "primes": sum(counts)}


async def unless_hung_up(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """What *work* gives; it is cancelled when the client of *request* hangs up.

    The server cancels nothing by itself: it only knows when it is asked.
    """
    task = asyncio.ensure_future(work)
    try:
        while not task.done():
            await asyncio.wait([task], timeout=LOOK_INTERVAL)
            if not task.done() and await request.is_disconnected():
                raise HTTPException(499, "the client has closed the connection")
        return await task
    finally:
        task.cancel()


def ranges(limit: int, parts: int) -> list[range]:
    """The numbers below *limit*, in at most so many parts."""
    step = -(-limit // parts)
    return [range(start, min(start + step, limit)) for start in range(0, limit, step)]


def count_primes(numbers: range) -> int:
    """The work: it runs in a process of its own, so it may compute as it likes."""
    return sum(
        all(number % divisor for divisor in range(2, int(number**0.5) + 1))
        for number in numbers
        if number > 1
    )
