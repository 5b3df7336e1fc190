"""A web service whose workers share one flow."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException
from fastapi.responses import PlainTextResponse

from cotality.flow import (
    DeadlineError,
    Flow,
    FlowClient,
    QueueFullError,
    Step,
    StepDownError,
)
from cotality.flow.asgi import CancelOnDisconnect


class Words:
    """Stands for a model that takes a while to load."""

    def start(self) -> None:
        self.pid = os.getpid()

    def handle(self, items: list[str]) -> list[dict[str, int]]:
        return [{"words": len(text.split()), "pid": self.pid} for text in items]


flow = Flow(Step(Words, workers=2, batch_size=32, timeout=10))
client: FlowClient[str, dict[str, int]] = FlowClient()


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    await client.aclose()


app = FastAPI(lifespan=lifespan)
app.add_middleware(CancelOnDisconnect)


@app.get("/words")
async def words(text: str) -> dict[str, int]:
    try:
        return await client(text, timeout=2)
    except (QueueFullError, StepDownError) as error:
        raise HTTPException(503, str(error), {"Retry-After": "1"}) from error
    except DeadlineError as error:
        raise HTTPException(504, str(error)) from error


@app.get("/health")
async def health() -> dict[str, str]:
    status = await client.status_async()
    if not status.ready:
        raise HTTPException(503, "not ready")
    return {"status": "ok"}


@app.get("/metrics")
async def metrics() -> PlainTextResponse:
    return PlainTextResponse(await client.metrics())
