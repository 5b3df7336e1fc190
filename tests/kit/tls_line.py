"""A line to a server that has to be spoken to by TLS, with a certificate of its own."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.kit.limits import LONG_S


def has_openssl() -> bool:
    return shutil.which("openssl") is not None


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for this machine that nobody knows, and its key."""
    made, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes"),
            *("-keyout", f"{key}", "-out", f"{made}", "-days", "2"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
        ],
        check=True,
        capture_output=True,
    )
    return made, key


@contextmanager
def tls_line(target: int, folder: Path) -> Iterator[tuple[int, Path]]:
    """Its port, and the certificate, while it passes on what comes to *target*."""
    made, key = certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made, key)
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def accept() -> None:
        with suppress(OSError):  # it is closed in the end
            while True:
                near, _ = listener.accept()
                threads.append(threading.Thread(target=serve, args=[near]))
                threads[-1].start()

    def serve(near: socket.socket) -> None:
        with (
            near,
            suppress(OSError),
            context.wrap_socket(near, server_side=True) as it,
            socket.create_connection(("127.0.0.1", target)) as far,
        ):
            back = threading.Thread(target=pump, args=[far, it])
            back.start()
            pump(it, far)
            back.join(LONG_S)

    def pump(one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while found := one.recv(65536):
                other.sendall(found)
        for each in (one, other):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield listener.getsockname()[1], made
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for each in (thread, *threads):
            each.join(LONG_S)
