"""A Redis server of the tests' own, on a socket in a folder."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.kit.limits import LONG_S, POLL_S


@contextmanager
def redis_server() -> Iterator[str | None]:
    """The URL of a server that keeps nothing on the disk; None if there is none."""
    program = shutil.which("redis-server")
    if program is None:
        yield None
        return
    # The name of a socket may have a hundred characters, fewer than folders of tests.
    with TemporaryDirectory() as folder:
        socket = Path(folder) / "redis.sock"
        server = subprocess.Popen(
            [
                *(program, "--port", "0", "--unixsocket", socket, "--dir", folder),
                *("--save", "", "--appendonly", "no", "--daemonize", "no"),
            ],
            stdout=subprocess.DEVNULL,
        )
        try:
            wait_for(socket, server)
            yield f"unix://{socket}?db=0"
        finally:
            server.terminate()
            server.wait(LONG_S)


def wait_for(socket: Path, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + LONG_S
    while not socket.exists():
        assert server.poll() is None, "redis-server has ended"
        assert time.monotonic() < end, "redis-server has not begun to listen"
        time.sleep(POLL_S)
