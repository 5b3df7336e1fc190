"""The web service that is measured: it answers with what a worker says."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from benchmarks.flow_work import same

KIND = os.environ["FLOW_BENCH"]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    if KIND == "sockets":
        await sockets.start()
    yield
    if KIND == "sockets":
        await sockets.stop()


app = FastAPI(lifespan=lifespan)

if KIND == "plain":

    @app.get("/item")
    async def plain() -> dict[str, int]:
        return {"result": same(1)}

elif KIND == "ours":
    from cotality.flow import Flow, FlowClient, Step

    flow = Flow(Step(same), queue_size=8192)
    client: FlowClient[int, int] = FlowClient()

    @app.get("/item")
    async def ours() -> dict[str, int]:
        return {"result": await client(1)}

elif KIND == "sockets":
    from aqueduct.sockets.flow import SocketFlow

    from benchmarks.flow_aqueduct import Task

    sockets = SocketFlow()

    @app.get("/item")
    async def of_sockets() -> dict[str, int]:
        task = Task(1)
        await sockets.process([task])
        return {"result": task.result}

elif KIND == "dirty":
    from gunicorn.dirty import DirtyApp, get_dirty_client_async

    class Same(DirtyApp):  # type: ignore[misc]  # it has no types
        def __call__(self, action: str, item: int) -> int:
            return same(item)  # type: ignore[no-any-return]

    @app.get("/item")
    async def dirty() -> dict[str, int]:
        client = await get_dirty_client_async()
        result = await client.execute_async("benchmarks.flow_service:Same", "same", 1)
        return {"result": result}
