"""A PostgreSQL of the tests' own: on loopback, in a folder of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

FOLDERS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    # A test need not outlive the power.
    "fsync": "off",
    "max_connections": "200",
}


def binaries() -> Path | None:
    """Where its programs are; None if there is none."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).parent
    return FOLDERS[-1] if FOLDERS else None


class Server:
    """One that runs, with an empty database; it can be away for a while."""

    def __init__(self, folder: Path) -> None:
        programs = binaries()
        assert programs is not None
        self.folder, self.data, self.port = folder, folder / "data", free_port()
        self.url = f"postgresql+psycopg://test@127.0.0.1:{self.port}/postgres"
        as_user = user_prefix(folder)
        initdb = [f"{programs / 'initdb'}", "-D", f"{self.data}", "-U", "test"]
        run([*as_user, *initdb, "-A", "trust"])
        with (self.data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in SETTINGS.items())
        self.control = [*as_user, f"{programs / 'pg_ctl'}", "-D", f"{self.data}", "-w"]

    def start(self) -> None:
        options = ["-l", f"{self.folder / 'log'}", "-o", f"-p {self.port}"]
        run([*self.control, *options, "start"])

    def stop(self) -> None:
        run([*self.control, "-m", "immediate", "stop"])


@contextmanager
def postgres_server() -> Iterator[Server]:
    """A server that runs, and is gone afterwards; skips the test if there is none."""
    if binaries() is None:
        pytest.skip("needs the programs of PostgreSQL, such as initdb")
    pytest.importorskip("psycopg", reason="the extra of PostgreSQL is not installed")
    # Not among the folders of pytest: another user has to be able to get there.
    folder = Path(tempfile.mkdtemp(prefix="cotality-postgres-"))
    server = Server(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


@contextmanager
def postgres() -> Iterator[str]:
    """The URL of a server that runs meanwhile, with an empty database."""
    with postgres_server() as server:
        yield server.url


def user_prefix(folder: Path) -> list[str]:
    """It refuses to run as root, who gives the folder to nobody then."""
    if os.getuid() != 0:
        return []
    shutil.chown(folder, "nobody")
    folder.chmod(0o700)
    return ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]


def free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        port: int = asked.getsockname()[1]
        return port


def run(command: list[str]) -> None:
    # Its output goes nowhere: what it starts would hold a pipe open.
    ended = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd="/"
    )
    assert ended.returncode == 0, command
