"""Asks an ASGI application, in the event loop of a test and without a connection."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import unquote

from starlette.types import ASGIApp, Message

from tests.kit.limits import LONG_S

T = TypeVar("T")


@dataclass
class Answer:
    """What an application has answered, as far as it has by now."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Exchange:
    """A request that is being answered.

    Its client hears what is sent as soon as it is, unless it `is_deaf`: then whoever
    sends waits, as at a connection whose buffers are full.
    """

    def __init__(self, app: ASGIApp, scope: dict[str, Any], parts: Sequence[bytes]):
        self.answer = Answer()
        self.incoming: asyncio.Queue[Message] = asyncio.Queue()
        for number, part in enumerate(parts, 1):
            more = number < len(parts)
            self.incoming.put_nowait(
                {"type": "http.request", "body": part, "more_body": more}
            )
        self.is_gone, self.hears = False, asyncio.Event()
        self.hears.set()
        self.changed = asyncio.Condition()
        self.is_complete = False
        self.task = asyncio.ensure_future(app(scope, self.receive, self.send))

    async def receive(self) -> Message:
        if self.is_gone:
            return {"type": "http.disconnect"}
        message = await self.incoming.get()
        self.is_gone = message["type"] == "http.disconnect"
        return message

    async def send(self, message: Message) -> None:
        await self.hears.wait()
        async with self.changed:
            if message["type"] == "http.response.start":
                assert not self.answer.status
                self.answer.status = message["status"]
                self.answer.headers = {
                    name.decode(): value.decode() for name, value in message["headers"]
                }
            else:
                assert self.answer.status
                assert not self.is_complete
                self.answer.body += message.get("body", b"")
                self.is_complete = not message.get("more_body", False)
            self.changed.notify_all()

    def hang_up(self) -> None:
        self.incoming.put_nowait({"type": "http.disconnect"})

    async def until(self, text: str) -> None:
        """Return when the answer has this text in it."""
        async with asyncio.timeout(LONG_S), self.changed:
            await self.changed.wait_for(lambda: text.encode() in self.answer.body)

    async def end(self) -> Answer:
        """What was answered, once the application has returned."""
        async with asyncio.timeout(LONG_S):
            await self.task
        return self.answer


class Client:
    """Asks an application."""

    def __init__(self, app: ASGIApp, client: tuple[str, int] | None = ("127.0.0.1", 9)):
        self.app, self.client = app, client

    def begin(
        self,
        method: str,
        path: str,
        body: bytes | Sequence[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Exchange:
        """A request; of a body in several parts nobody knows how long it is."""
        path, _, query = path.partition("?")
        sent = {"Host": "localhost:8001", **(headers or {})}
        parts = [body] if isinstance(body, bytes) else list(body or [])
        if isinstance(body, bytes):
            sent.setdefault("Content-Length", f"{len(body)}")
        elif parts:
            sent.setdefault("Transfer-Encoding", "chunked")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [
                (name.lower().encode(), value.encode("latin-1"))
                for name, value in sent.items()
            ],
            "client": self.client,
            "server": ("127.0.0.1", 8001),
        }
        return Exchange(self.app, scope, parts or [b""])

    async def ask(
        self,
        method: str,
        path: str,
        body: bytes | Sequence[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        return await self.begin(method, path, body, headers).end()

    async def get(self, path: str, **headers: str) -> Answer:
        return await self.ask("GET", path, headers=headers)

    async def post(self, path: str, value: object, **headers: str) -> Answer:
        """Send *value* as JSON."""
        kind = {"Content-Type": "application/json"}
        return await self.ask("POST", path, json.dumps(value).encode(), kind | headers)


def run(what: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(what)


@asynccontextmanager
async def living(app: ASGIApp) -> AsyncIterator[None]:
    """The time between startup and shutdown of *app*."""
    incoming: asyncio.Queue[Message] = asyncio.Queue()
    outgoing: asyncio.Queue[Message] = asyncio.Queue()
    scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
    task = asyncio.ensure_future(app(scope, incoming.get, outgoing.put))
    for phase in ("startup", "shutdown"):
        await incoming.put({"type": f"lifespan.{phase}"})
        async with asyncio.timeout(LONG_S):
            assert (await outgoing.get())["type"] == f"lifespan.{phase}.complete"
        if phase == "startup":
            yield
    await task
