"""The web services of the documentation, each behind its real server."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from cotality.core.utils._process.starting.own_start import MARK
from tests.kit.helpers import environment_of_scripts, wait_until
from tests.kit.limits import GONE_S, LONG_S, POLL_S
from tests.kit.programs import is_alive

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
UVICORN = ["uvicorn", "--log-level", "warning", "--timeout-graceful-shutdown", "1"]
GUNICORN = ["gunicorn", "--log-level", "warning", "--graceful-timeout", "1"]
THREADS = ["--threads", "64"]
TWO_PROCESSES = ["--workers", "2", "--preload"]

# One process for all requests; Django with --preload, as many run it.
SERVERS = {
    "fastapi": [*UVICORN, "fastapi_app:app"],
    "flask": [*GUNICORN, *THREADS, "flask_app:app"],
    "django": [*GUNICORN, *THREADS, "--preload", "django_app:application"],
}
# Two processes, each for one request at a time.
SYNC_SERVERS = {
    "flask": [*GUNICORN, *TWO_PROCESSES, "flask_app:app"],
    "django": [*GUNICORN, *TWO_PROCESSES, "django_app:application"],
}

Answer = tuple[int, Any]


class Service:
    """A server process, what it answers, and the processes it has."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process = process
        self.port = port
        self.log = log

    def get(self, path: str) -> Answer:
        """The status and the content of an answer."""
        return self.ask(path)

    def ask(
        self, path: str, body: bytes | None = None, kind: str = "application/json"
    ) -> Answer:
        """The same; with a *body* of that *kind* it is a POST."""
        url = f"http://127.0.0.1:{self.port}{path}"
        headers = {} if body is None else {"Content-Type": kind}
        request = urllib.request.Request(url, body, headers)
        try:
            with urllib.request.urlopen(request, timeout=LONG_S) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as answer:
            with answer:
                return answer.code, answer.read()

    def health(self) -> dict[str, Any]:
        status, health = self.get("/health")
        assert (status, health["status"]) == (200, "ok")
        return dict(health)

    def is_up(self) -> bool:
        assert self.process.poll() is None, self.log.read_text("utf-8")
        try:
            return bool(self.health())
        except (urllib.error.URLError, ConnectionError):
            return False

    def processes(self) -> list[psutil.Process]:
        """All processes of the service, without that of the server."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def workers(self) -> set[psutil.Process]:
        """Its worker processes: what its fork servers have started."""
        return {
            worker
            for server in self.processes()
            if is_fork_server(server)
            for worker in children_of(server)
        }

    def start_workers(self, count: int) -> set[psutil.Process]:
        """Ask for something until so many workers are there."""
        while len(self.workers()) < count:
            assert self.get("/primes?limit=1000&parts=10") == (
                200,
                {"limit": 1000, "primes": 168},
            )
        wait_until(lambda: self.health()["calls"] == 0)
        return self.workers()

    def end(self) -> list[psutil.Process]:
        """Ask the server to end; which processes it leaves behind."""
        children = self.processes()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(LONG_S)
        end = time.monotonic() + GONE_S
        while (left := list(filter(is_alive, children))) and time.monotonic() < end:
            time.sleep(POLL_S)
        return left


def children_of(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children()
    except psutil.NoSuchProcess:
        return []


def is_fork_server(process: psutil.Process) -> bool:
    """Whether it is one; its workers have the same command line, and no children."""
    try:
        if MARK not in "".join(process.cmdline()):
            return False
        parent = process.parent()
        return parent is None or MARK not in "".join(parent.cmdline())
    except psutil.NoSuchProcess:
        return False


@contextmanager
def serving(
    command: list[str],
    log: Path,
    max_workers: int,
    code: str = "",
    *,
    folder: Path = EXAMPLES,
    variables: Mapping[str, str] | None = None,
) -> Iterator[Service]:
    """A service on a free port of this machine, once it answers.

    Args:
        command: The name of the server and its arguments.
        log: Where what it prints goes.
        max_workers: What ``COTALITY_MAX_WORKERS`` says there.
        code: Run before the server, in its process.
        folder: Where the program is.
        variables: More of the environment.
    """
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    address = ["--bind", f"127.0.0.1:{port}"]
    name, *arguments = command
    run = f"import runpy; runpy.run_module({name!r}, run_name='__main__')"
    program = ["-c", f"{code}\n{run}"] if code else ["-m", name]
    if name == "manage":
        address = [f"127.0.0.1:{port}"]
    elif name == "uvicorn":
        address = ["--host", "127.0.0.1", "--port", f"{port}"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *program, *arguments, *address],
            cwd=folder,
            env={
                **environment_of_scripts(),
                "COTALITY_MAX_WORKERS": f"{max_workers}",
                "PYTHONDONTWRITEBYTECODE": "1",
                **(variables or {}),
            },
            stdout=output,
            stderr=output,
        )
    service = Service(process, port, log)
    try:
        wait_until(service.is_up)
        yield service
    finally:
        if process.poll() is None:
            for each in [*service.processes(), psutil.Process(process.pid)]:
                if is_alive(each):
                    os.kill(each.pid, signal.SIGKILL)
        process.wait(LONG_S)
