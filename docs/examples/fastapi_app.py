"""A web service that computes: ``uvicorn fastapi_app:app``.

Each request has its work done in worker processes, while the event loop goes on
answering others. All requests share the workers of the application. A client that hangs
up cancels its request, and with it the work.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from fastapi import FastAPI, HTTPException, Request

from cotality.core.utils.process import (
    IsolatedProcessPoolExecutor,
    Task,
    execute_tasks_in_parallel_async,
)

T = TypeVar("T")
LOOK_INTERVAL = 0.1  # s between looks whether a client is still there


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """One executor for the application; its processes start with the first request."""
    with IsolatedProcessPoolExecutor(max_workers=2) as workers:
        app.state.workers = workers
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/health")
async def health() -> dict[str, str]:
    """Answered by the event loop alone, also while everything computes."""
    return {"status": "ok"}


@app.get("/primes")
async def primes(request: Request, limit: int, parts: int = 4) -> dict[str, int]:
    """How many primes there are below *limit*, counted in *parts* tasks."""
    if not 2 <= limit <= 1_000_000:
        raise HTTPException(422, "limit must be between 2 and 1,000,000")
    step = -(-limit // parts)
    tasks = [
        Task(count_primes, {"start": start, "stop": min(start + step, limit)})
        for start in range(0, limit, step)
    ]
    work = execute_tasks_in_parallel_async(
        tasks, executor=app.state.workers, timeout=30
    )
    counts = await unless_hung_up(request, work)
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


def count_primes(start: int, stop: int) -> int:
    """The work: it runs in a process of its own, so it may compute as it likes."""
    return sum(
        all(number % divisor for divisor in range(2, int(number**0.5) + 1))
        for number in range(max(start, 2), stop)
    )
