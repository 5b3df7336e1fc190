"""The ways to have items handled by worker processes that the benchmark of flows knows.

Each gives a coroutine function that has one item handled. Nothing is imported before it
is needed, because each contender runs in a program of its own; see `flow_driver`.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

Call = Callable[[Any], Awaitable[Any]]  # Any: an item, and what becomes of it
Make = Callable[[Any, int], AbstractAsyncContextManager[Call]]
PATIENCE = 60.0  # s


@asynccontextmanager
async def own_flow(function: Any, workers: int) -> AsyncIterator[Call]:
    from cotality.flow import Flow, Step

    async with Flow(Step(function, workers=workers), queue_size=8192) as flow:
        yield lambda item: flow(item, timeout=PATIENCE)


@asynccontextmanager
async def served_flow(function: Any, workers: int) -> AsyncIterator[Call]:
    from cotality.flow import Flow, FlowServer, Step

    with tempfile.TemporaryDirectory(prefix="flow-") as folder:
        flow = Flow(Step(function, workers=workers), queue_size=8192)
        path = Path(folder) / "own" / "s"
        server = await asyncio.to_thread(FlowServer.serve, flow, path)
        try:
            async with server.client() as client:
                yield lambda item: client(item, timeout=PATIENCE)
        finally:
            await asyncio.to_thread(server.stop)


@asynccontextmanager
async def flow_by_ones(function: Any, workers: int) -> AsyncIterator[Call]:
    """A flow whose router hands out one item at a time."""
    from benchmarks import flow_by_ones
    from cotality.flow._flow.keeping import keeper

    keeper.router = flow_by_ones  # type: ignore[assignment]  # it has a main, too
    async with own_flow(function, workers) as call:
        yield call


@asynccontextmanager
async def pool(function: Any, workers: int) -> AsyncIterator[Call]:
    from concurrent.futures import ProcessPoolExecutor

    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(workers) as executor:
        yield lambda item: loop.run_in_executor(executor, function, item)


def aqueduct_flow(function: Any, workers: int, batch_size: int) -> tuple[Any, Any]:
    """A flow of Aqueduct, and its class of tasks."""
    from aqueduct import Flow, FlowStep

    from benchmarks.flow_aqueduct import Handler, Task

    # With its own size of a queue 256 callers bring it to a stand.
    step = FlowStep(Handler(function), nprocs=workers, batch_size=batch_size)
    return Flow(step, queue_size=1000), Task


def aqueduct(batch_size: int, *, shares: bool = False) -> Make:
    @asynccontextmanager
    async def make(function: Any, workers: int) -> AsyncIterator[Call]:
        flow, task_class = aqueduct_flow(function, workers, batch_size)
        flow.start()

        async def call(item: Any) -> Any:
            task = task_class(item)
            if shares:
                task.share_value("value")
            await flow.process(task, timeout_sec=PATIENCE)
            return task.result

        yield call
        await flow.stop(graceful=False)

    return make


@asynccontextmanager
async def socket_flow(function: Any, workers: int) -> AsyncIterator[Call]:
    """Aqueduct's flow behind a socket."""
    from aqueduct.sockets.flow import SocketFlow

    with tempfile.TemporaryDirectory(prefix="flow-") as folder:
        # Without them it gives up after a second, whatever the call says.
        os.environ["_SOCKET_PATH"] = f"{folder}/s"
        os.environ["_FLOW_PROCESS_TIMEOUT"] = "60"
        os.environ["_SOCKET_POOL_READ_TIMEOUT"] = "60"
        flow, task_class = aqueduct_flow(function, workers, 32)
        sockets = SocketFlow()
        sockets.preload(flow)
        for _ in range(100):
            if os.path.exists(f"{folder}/s"):
                break
            await asyncio.sleep(0.05)
        await sockets.start()

        async def call(item: Any) -> Any:
            task = task_class(item)
            await sockets.process([task], timeout_sec=PATIENCE)
            return task.result

        yield call
        await sockets.stop()


OURS, OWN, ON_UVLOOP = "FlowClient", "Flow", "FlowClient on uvloop"
BY_ONES = "Flow, one at a time"
AQUEDUCT_1, AQUEDUCT_32 = "Aqueduct Flow", "Aqueduct Flow, batches of 32"
SOCKET_FLOW, SHARED = "Aqueduct SocketFlow", "Aqueduct Flow, share_value"
POOL = "ProcessPoolExecutor"

CONTENDERS: dict[str, Make] = {
    OURS: served_flow,
    ON_UVLOOP: served_flow,
    OWN: own_flow,
    BY_ONES: flow_by_ones,
    AQUEDUCT_1: aqueduct(1),
    AQUEDUCT_32: aqueduct(32),
    SOCKET_FLOW: socket_flow,
    SHARED: aqueduct(1, shares=True),
    POOL: pool,
}
