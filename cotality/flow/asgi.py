"""For web applications of the ASGI kind, such as those of FastAPI and Starlette.

::

    app.add_middleware(CancelOnDisconnect)

A client that hangs up then takes its request with it: what it waited for is cancelled,
and its items leave the flow.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

__all__ = ["CancelOnDisconnect"]

Message = MutableMapping[str, Any]  # Any: as the ASGI specification has it
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

MOST_MESSAGES = 16  # parts of a body that are read ahead


class CancelOnDisconnect:
    """Cancels a request when its client has hung up before the answer was complete.

    Args:
        app: The application.
    """

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        messages: asyncio.Queue[Message] = asyncio.Queue(MOST_MESSAGES)
        request = asyncio.ensure_future(self.app(scope, messages.get, send))
        listener = asyncio.ensure_future(listen(receive, messages))
        try:
            await asyncio.wait([request, listener], return_when=asyncio.FIRST_COMPLETED)
            if not request.done():
                listener.result()  # what the server raised, if it did
                request.cancel()
                await asyncio.wait([request])
                if request.cancelled():
                    return
            request.result()
        finally:
            for task in (request, listener):
                task.cancel()
            await asyncio.wait([request, listener])


async def listen(receive: Receive, messages: asyncio.Queue[Message]) -> None:
    """Pass on what comes; return when the client has hung up."""
    while True:
        message = await receive()
        await messages.put(message)
        if message["type"] == "http.disconnect":
            return
