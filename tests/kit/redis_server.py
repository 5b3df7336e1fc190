"""A Redis server of the tests' own, on a socket in a folder; it can be killed."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.kit.limits import LONG_S, POLL_S


class RedisServer:
    """One that keeps nothing on the disk, between `start` and `kill` or `stop`."""

    def __init__(self, program: str, folder: Path) -> None:
        self.program, self.folder = program, folder
        self.socket = folder / "redis.sock"
        self.url = f"unix://{self.socket}?db=0"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [
                *(self.program, "--port", "0", "--unixsocket", self.socket),
                *("--dir", self.folder, "--save", "", "--appendonly", "no"),
                *("--daemonize", "no"),
            ],
            stdout=subprocess.DEVNULL,
        )
        wait_for(self.socket, self.process)

    def kill(self) -> None:
        """As by a person, or for want of memory; it may be started again."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(LONG_S)
        self.socket.unlink(missing_ok=True)  # which it leaves behind

    def stop(self) -> None:
        assert self.process is not None
        self.process.terminate()
        self.process.wait(LONG_S)


@contextmanager
def redis_to_kill() -> Iterator[RedisServer | None]:
    """A server that runs; None if there is none on this machine."""
    program = shutil.which("redis-server")
    if program is None:
        yield None
        return
    # The name of a socket may have a hundred characters, fewer than folders of tests.
    with TemporaryDirectory() as folder:
        server = RedisServer(program, Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def redis_server() -> Iterator[str | None]:
    """Likewise the URL of one."""
    with redis_to_kill() as server:
        yield None if server is None else server.url


def wait_for(path: Path, server: subprocess.Popen[bytes]) -> None:
    """Its socket is there a moment before somebody listens at it."""
    end = time.monotonic() + LONG_S
    while not answers(path):
        assert server.poll() is None, "redis-server has ended"
        assert time.monotonic() < end, "redis-server has not begun to listen"
        time.sleep(POLL_S)


def answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as link:
        return link.connect_ex(f"{path}") == 0
