"""How large the body of a request may be, and by when it has to be there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .problems import Problem, ProblemError


class HungUpError(Exception):
    """The client has hung up before its body was complete."""


class Bodies:
    """Reads the body of each request before the application does, within limits.

    What is read is held in memory, which is why there is a limit: a request that says
    it is larger is refused at once, one that does not say so when it is.

    Args:
        app: The application.
        most: Bytes that a body may have.
        limit_s: Seconds within which it has to be there.
    """

    def __init__(self, app: ASGIApp, *, most: int, limit_s: float) -> None:
        self.app = app
        self.most, self.limit_s = most, limit_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        if scope["type"] != "http" or not has_body(Headers(scope=scope)):
            await self.app(scope, receive, send)
            return
        try:
            body = await self.read(Headers(scope=scope), receive)
        except HungUpError:
            return  # there is nobody to be answered
        except ProblemError as error:
            await error.problem.answer()(scope, receive, send)
            return
        await self.app(scope, Again(body, receive), send)

    async def read(self, headers: Headers, receive: Receive) -> bytes:
        check_length(headers, self.most)
        try:
            async with asyncio.timeout(self.limit_s):
                return await limited(parts_of(receive), self.most)
        except TimeoutError as error:
            raise ProblemError(
                Problem(
                    408,
                    "slow-body",
                    f"the body was not complete within {self.limit_s:g} s",
                    headers={"Connection": "close"},
                )
            ) from error


class Again:
    """Gives the body that was read, and then what else comes."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self.body: bytes | None = body
        self.receive = receive

    async def __call__(self) -> Message:
        """The next message."""
        body, self.body = self.body, None
        if body is None:
            return await self.receive()
        return {"type": "http.request", "body": body, "more_body": False}


def has_body(headers: Headers) -> bool:
    """Whether a request may have one; if it says nothing of it, it has none."""
    return "content-length" in headers or "transfer-encoding" in headers


def check_length(headers: Headers, most: int) -> None:
    """See that a body is not too large, as far as it says so."""
    length = headers.get("content-length", "")
    if length.isascii() and length.isdigit() and int(length[:20]) > most:
        raise too_large(most)


async def parts_of(receive: Receive) -> AsyncIterable[bytes]:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise HungUpError
        yield message.get("body", b"")
        if not message.get("more_body", False):
            return


async def limited(parts: AsyncIterable[bytes], most: int) -> bytes:
    """All *parts* together, if they are not too large."""
    found = bytearray()
    async for part in parts:
        found += part
        if len(found) > most:
            raise too_large(most)
    return bytes(found)


def too_large(most: int) -> ProblemError:
    return ProblemError(
        Problem(
            413,
            "too-large",
            f"the body has more than the {most:,} bytes that are accepted",
            more={"limit": most},
        )
    )
