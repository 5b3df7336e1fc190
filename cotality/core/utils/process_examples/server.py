"""A web server on this machine that takes its time, as a network would."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Generator
from contextlib import closing, contextmanager
from functools import partial
from http.client import HTTPConnection
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import SHUT_RDWR
from socketserver import TCPServer
from typing import Any, ClassVar
from urllib.parse import quote

PAGE_DELAY = 0.01  # s that the server of `io` takes for each page, as a network would


def fetch(port: int, page: str) -> int:
    """How many bytes the server on *port* of this machine sends for *page*."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("GET", quote(f"/{page}"))
        response = connection.getresponse()
        if response.status != 200:
            raise OSError(f"{page}: the server answered {response.status}")
        return len(response.read())


class SlowPages(SimpleHTTPRequestHandler):
    """Files of a directory, each after a delay."""

    def do_GET(self) -> None:
        """Send a file, and not at once."""
        time.sleep(PAGE_DELAY)
        super().do_GET()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing about each request."""


class BusyPages(SlowPages):
    """Refuses each page twice before it sends it."""

    asked: ClassVar[Counter[str]] = Counter()
    counting: threading.Lock = threading.Lock()

    def do_GET(self) -> None:
        """Send a file to who asks for the third time."""
        with self.counting:
            self.asked[self.path] += 1
            is_busy = self.asked[self.path] <= 2
        if is_busy:
            self.send_error(503)
        else:
            super().do_GET()


class Server(ThreadingHTTPServer):
    """A web server that many clients may call at once, and that ends completely."""

    daemon_threads = False  # so that server_close waits for them
    request_queue_size = 128  # with the usual 5, some of 32 clients wait for a second
    timeout: float | None = 0.02  # s between two looks at whether it is over

    def __init__(self, *given: Any) -> None:  # Any: inherited
        self.is_over = False
        self.connections: set[Any] = set()  # Any: what a request is called there
        super().__init__(*given)

    def server_bind(self) -> None:
        """Bind without looking up our own name, which can take seconds."""
        TCPServer.server_bind(self)
        self.server_name: str = "localhost"
        self.server_port: int = self.server_address[1]

    def serve(self) -> None:
        """Answer requests until it is over, and end all that belongs to it."""
        try:
            while not self.is_over:
                self.handle_request()
        finally:
            for connection in self.connections.copy():
                self.hang_up(connection)
            self.server_close()

    def hang_up(self, connection: Any) -> None:  # Any: inherited
        """Let nobody wait for a client that says nothing, as one struck by Ctrl-C."""
        try:
            connection.shutdown(SHUT_RDWR)
        except OSError:
            pass  # it was at its end

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread. Any: inherited."""
        self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:  # Any: inherited
        """End a connection."""
        self.connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # Any: inherited
        """Say nothing of clients that went away, as they do after Ctrl-C."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def web_server(
    directory: Path, pages: type[SlowPages] = SlowPages
) -> Generator[int, None, None]:
    """A server for the files of *directory* on a free port of this machine.

    Ctrl-C may strike while its thread starts, which then can be neither waited for nor
    told from one that never will. So that thread alone closes what it works with, and
    a flag, which nobody has to wait for, is all it takes.
    """
    server = Server(("127.0.0.1", 0), partial(pages, directory=directory))
    thread = threading.Thread(target=server.serve, daemon=True)
    try:
        thread.start()
        yield server.server_port
    finally:
        server.is_over = True
        if thread.is_alive():
            thread.join()
