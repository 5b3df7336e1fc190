"""Web services whose flow does as it is told, for real servers: by FastAPI, by Flask.

Orders come as ``/order?what=return&argument=1``; what is handled is noted in the folder
that ``FLOW_NOTES`` names.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import Any

from cotality.flow import Flow, FlowClient, Step
from cotality.flow.asgi import CancelOnDisconnect
from tests.flow.handlers import Obeys

client: FlowClient[Any, Any] = FlowClient()


def flow() -> Flow[Any, Any]:
    return Flow(Step(Obeys(os.environ["FLOW_NOTES"])))


def asgi() -> Callable[..., Awaitable[None]]:
    from fastapi import FastAPI

    app = FastAPI()

    @app.get("/order")
    async def order(what: str, argument: str) -> dict[str, Any]:
        result = await client((what, argument), timeout=None)
        return {"result": result, "pid": os.getpid()}

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok" if (await client.status_async()).ready else "no"}

    return CancelOnDisconnect(app)


def wsgi() -> Callable[..., Any]:
    from flask import Flask, request

    app = Flask(__name__)

    @app.get("/order")
    def order() -> dict[str, Any]:
        given = request.args["what"], request.args["argument"]
        return {"result": client.call(given, timeout=None), "pid": os.getpid()}

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok" if client.status().ready else "no"}

    return app
