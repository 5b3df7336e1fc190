"""Counts each request, whatever becomes of it."""

from __future__ import annotations

import time

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cotality._kit.public import public_in
from cotality.web._web.events.frames import MEDIA_TYPE

from .adding_up import RequestFigures
from .figures import Figures

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
ELSEWHERE = "other"  # the route of what has none, and a method that nobody knows
GONE = 499  # the status of who has hung up before the answer began


@public_in("cotality.web")
class CountRequests:
    """Counts requests by the route that they have found, for `metrics_router`.

    ::

        requests = RequestFigures()
        app.add_middleware(CountRequests, requests=requests)
        app.include_router(metrics_router(requests=requests))

    Paths are not counted by themselves: there are as many as somebody cares to ask for.

    Args:
        app: The application.
        requests: Where it counts.
    """

    app: ASGIApp
    figures: Figures

    def __init__(self, app: ASGIApp, requests: RequestFigures) -> None:
        self.app, self.figures = app, requests.figures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        figures, began = self.figures, time.perf_counter()
        status, is_stream = GONE, False

        async def counted(message: Message) -> None:
            nonlocal status, is_stream
            if message["type"] == "http.response.start":
                status = message["status"]
                kind = Headers(raw=message["headers"]).get("content-type", "")
                is_stream = kind.startswith(MEDIA_TYPE)
                figures.streams += is_stream
            await send(message)

        figures.in_flight += 1
        try:
            await self.app(scope, receive, counted)
        finally:
            figures.in_flight -= 1
            figures.streams -= is_stream
            method = scope["method"] if scope["method"] in METHODS else ELSEWHERE
            # How long a stream was open says nothing about how quick anything is.
            took = None if is_stream else time.perf_counter() - began
            figures.count(method, route_of(scope), status, took)


def route_of(scope: Scope) -> str:
    """The path of a route, with the names of its parameters."""
    # Without what a parameter has to look like.
    path: object = getattr(scope.get("route"), "path_format", None)
    return path if isinstance(path, str) else ELSEWHERE
