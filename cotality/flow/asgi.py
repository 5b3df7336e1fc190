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

# With one of these an answer is complete, unless it says that there is more.
ENDS = {"http.response.body", "http.response.pathsend", "http.response.zerocopysend"}
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
        exchange = Exchange(receive, send)
        request = asyncio.ensure_future(
            self.app(scope, exchange.receive, exchange.send)
        )
        listener = asyncio.ensure_future(exchange.listen())
        try:
            await asyncio.wait([request, listener], return_when=asyncio.FIRST_COMPLETED)
            if not request.done():
                listener.result()  # what the server raised, if it did
                if not exchange.is_answered:
                    request.cancel()
                await asyncio.wait([request])
                if request.cancelled():
                    return
            request.result()
        finally:
            for task in (request, listener):
                task.cancel()
            await asyncio.wait([request, listener])


class Exchange:
    """One request and its answer.

    Attributes:
        is_answered: Whether the whole answer is on its way. Servers say then, too, that
            the client has gone; what the application still does is not for it.
    """

    is_answered: bool

    def __init__(self, receive: Receive, send: Send) -> None:
        self.server_receive = receive
        self.server_send = send
        self.messages: asyncio.Queue[Message] = asyncio.Queue(MOST_MESSAGES)
        self.last: Message | None = None
        self.is_answered = False

    async def listen(self) -> None:
        """Pass on what comes; return when the client has hung up."""
        while True:
            message = await self.server_receive()
            await self.messages.put(message)
            if message["type"] == "http.disconnect":
                return

    async def receive(self) -> Message:
        """The next message, for the application; the last one again and again."""
        if self.last is not None:
            return self.last
        message = await self.messages.get()
        if message["type"] == "http.disconnect":
            self.last = message
        return message

    async def send(self, message: Message) -> None:
        """Pass on a part of the answer."""
        if message["type"] in ENDS and not message.get("more_body", False):
            self.is_answered = True
        await self.server_send(message)
