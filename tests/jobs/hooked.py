"""A receiver of webhooks on this computer, which answers what a test wants."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.kit.limits import LONG_S


@dataclass
class Got:
    """A request that came."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Hook:
    """What listens; *answers* are given one by one, and the last one for ever."""

    port: int
    got: list[Got] = field(default_factory=list)
    connections: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"


@contextmanager
def hook(
    answers: Iterable[tuple[int, dict[str, str]]] = ((200, {}),),
    *,
    tls: ssl.SSLContext | None = None,
    body: bytes = b"",
) -> Iterator[Hook]:
    """Listens on a port of 127.0.0.1."""
    left = list(answers)
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        timeout = LONG_S

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            request = Got(self.path, dict(self.headers), self.rfile.read(length))
            with lock:
                found.got.append(request)
                status, headers = left.pop(0) if len(left) > 1 else left[0]
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:  # where a redirect would lead
            found.got.append(Got(self.path, {}, b""))

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def get_request(self) -> tuple[socket.socket, object]:
            connection, address = super().get_request()
            found.connections += 1
            if tls is not None:
                connection = tls.wrap_socket(
                    connection, server_side=True, do_handshake_on_connect=False
                )
            return connection, address

        def handle_error(self, *_: object) -> None:
            pass  # a client that does not trust us

    with Server(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = False
        found = Hook(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def raw_server(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """Lets *talk* have one connection; the port it comes in at."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(LONG_S)

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(LONG_S)
                try:
                    talk(connection)
                except OSError:
                    pass  # the other side has hung up, which may be what is wanted

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            thread.join()
