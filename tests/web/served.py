"""An application behind a real server, in this process, for a browser to look at.

The server can be stopped and started again, at the same address and with the same desk.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import uvicorn
from starlette.types import ASGIApp

from tests.kit.helpers import wait_until
from tests.kit.limits import LONG_S

T = TypeVar("T")


class Served:
    """An application that answers between `start` and `stop`.

    It has one thread for what waits for a disk, and keeps no connection of a client
    that has gone: so all is as it was before when nobody asks.

    Attributes:
        url: Where, with a slash at its end.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.port: int = found.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"

    def start(self) -> None:
        """Return when it answers."""
        config = uvicorn.Config(
            self.app,
            port=self.port,
            interface="asgi3",
            log_level="error",
            timeout_graceful_shutdown=1,
            timeout_keep_alive=0,
            ws="none",
        )
        self.server = uvicorn.Server(config)
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.serve, name="served")
        self.thread.start()
        wait_until(lambda: self.server.started)

    def serve(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
            threads = ThreadPoolExecutor(1, "served")
            threads.submit(int).result()
            self.loop.set_default_executor(threads)
            runner.run(self.server.serve())

    def stop(self) -> None:
        """Return when nobody answers any more."""
        self.server.should_exit = True
        self.thread.join(LONG_S)
        assert not self.thread.is_alive()

    def do(self, what: Coroutine[Any, Any, T]) -> T:
        """What is returned in the event loop of the server."""
        return asyncio.run_coroutine_threadsafe(what, self.loop).result(LONG_S)
