"""The service behind real servers, as programs that are no children of the tests.

A row of tests may so share one, whose processes come and go meanwhile.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from tests.kit.helpers import environment_of_scripts, wait_until
from tests.kit.limits import GONE_S, LONG_S, POLL_S
from tests.kit.programs import is_alive
from tests.web.asgi import Answer

TASKS = "/api/v1/tasks"
COMMAND = ["cotality.web", "--port", "{port}"]
GUNICORN = [
    *("gunicorn", "-k", "uvicorn_worker.UvicornWorker", "-b", "127.0.0.1:{port}"),
    "--workers",
]
APP = "cotality.web:create_app()"
# Without them tests would mostly wait; each method still does its real work.
QUICK = {"simulate_db_delay": False, "simulate_redis_delay": False}


class Server:
    """A program that serves.

    Args:
        folder: Where it keeps its files.
        command: A module and its arguments; ``{port}`` in it stands for the port.
        variables: Settings of the service, by their names in capitals.
    """

    def __init__(
        self,
        folder: Path,
        command: Sequence[str] = COMMAND,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.folder, self.port = folder, free_port()
        self.command = [part.format(port=self.port) for part in command]
        said = {"STATE_DIR": f"{folder / 'state'}", **(variables or {})}
        self.variables = {f"COTALITY_WEB_{name}": said[name] for name in said}
        # Without a worker of its own it is never ready.
        is_alone = said.get("WORKERS") == "outside"
        self.up_path = "/health/live" if is_alone else "/health/ready"
        self.log = folder / f"server-{self.port}-{time.monotonic_ns()}.log"
        self.process: psutil.Process | None = None
        self.headers: dict[str, str] = {}  # of each request
        self.ours = -1

    def start(self) -> None:
        command = [sys.executable, "-W", "error::ResourceWarning", "-m", *self.command]
        line = f"exec {shlex.join(command)} < /dev/null > {self.log} 2>&1"
        # Also where the tests are killed it ends: with what only they have open.
        end = "(read nothing <&3; kill -TERM $server) > /dev/null 2>&1"
        theirs, self.ours = os.pipe()
        started = subprocess.run(
            ["sh", "-c", f"exec 3<&0; ({line}) 3<&- & server=$!; {end} & echo $server"],
            stdin=theirs,
            env={**environment_of_scripts(), **self.variables},
            cwd=self.folder,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        os.close(theirs)
        self.process = psutil.Process(int(started.stdout))
        wait_until(self.is_up, 2 * LONG_S)

    @property
    def output(self) -> str:
        return self.log.read_text("utf-8")

    def is_up(self) -> bool:
        assert self.is_alive, self.output
        try:
            return self.ask("GET", self.up_path).status == 200
        except (OSError, http.client.HTTPException):
            return False

    @property
    def is_alive(self) -> bool:
        assert self.process is not None
        try:
            return bool(self.process.status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False

    def below(self) -> list[psutil.Process]:
        """All processes that it has started, and those that these have."""
        assert self.process is not None
        try:
            return self.process.children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def signal(self, number: int = signal.SIGTERM) -> None:
        assert self.process is not None
        os.kill(self.process.pid, number)

    def wait(self, most: float = LONG_S) -> None:
        """Return when it has ended."""
        end = time.monotonic() + most
        while self.is_alive:
            assert time.monotonic() < end, self.output
            time.sleep(POLL_S)

    def stop(self) -> list[psutil.Process]:
        """Have it end well; which processes it leaves behind."""
        below = self.below()
        self.signal()
        self.wait()
        end = time.monotonic() + GONE_S
        while (left := list(filter(is_alive, below))) and time.monotonic() < end:
            time.sleep(POLL_S)
        return left

    def end(self) -> None:
        """Have it end in any case, and all that it has started."""
        below = self.below()
        if self.process is not None and self.is_alive:
            self.signal(signal.SIGKILL)
            self.wait()
        _, left = psutil.wait_procs(below, GONE_S)
        for each in left:
            each.kill()
        if self.ours >= 0:
            os.close(self.ours)
            self.ours = -1

    # Requests.

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """What it answers; *body* is sent as JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LONG_S)
        sent = {**self.headers, **(headers or {})}
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        try:
            connection.request(method, path, data, sent)
            got = connection.getresponse()
            return Answer(
                got.status,
                {name.lower(): value for name, value in got.getheaders()},
                got.read(),
            )
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Any:
        """The JSON at *path*."""
        answer = self.ask("GET", path, headers=headers)
        assert answer.status == 200, (answer.status, answer.body, self.output)
        return answer.json

    def start_task(self, kind: str = "background", **config: object) -> str:
        """The id of a task that was taken, and goes on."""
        headers = {"Prefer": "respond-async"}
        answer = self.ask("POST", f"{TASKS}/{kind}", {**QUICK, **config}, headers)
        assert answer.status == 202, (answer.status, answer.body, self.output)
        return str(answer.json["task_id"])

    def status(self, task: str) -> Any:
        return self.get(f"{TASKS}/status/{task}?results=0")

    def wait_for(self, task: str, *statuses: str) -> Any:
        """How it stands, as soon as that is one of *statuses*."""
        found: Any = None

        def is_so() -> bool:
            nonlocal found
            found = self.status(task)
            over = found["status"] in ("completed", "failed", "cancelled")
            assert not over or found["status"] in statuses, (found, self.output)
            return found["status"] in statuses

        wait_until(is_so)
        return found

    def connect(
        self, method: str, path: str, body: object = None, **headers: str
    ) -> Link:
        """A request whose answer is read bit by bit, or not at all."""
        return Link(self.port, method, path, body, headers)


class Link:
    """A connection with one request on it."""

    def __init__(
        self,
        port: int,
        method: str,
        path: str,
        body: object,
        headers: Mapping[str, str],
    ) -> None:
        data = b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", f"Host: localhost:{port}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if body is not None:
            lines += ["Content-Type: application/json", f"Content-Length: {len(data)}"]
        self.socket = socket.create_connection(("127.0.0.1", port), LONG_S)
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode() + data)
        self.got = b""

    def until(self, text: str) -> str:
        """What has come, once *text* is in it."""
        while text.encode() not in self.got:
            part = self.socket.recv(65_536)
            assert part, (text, self.got)
            self.got += part
        return self.got.decode()

    def rest(self) -> str:
        """All that comes, until the server closes the connection."""
        while part := self.socket.recv(65_536):
            self.got += part
        return self.got.decode()

    def hang_up(self) -> None:
        self.socket.close()

    def __enter__(self) -> Link:
        return self

    def __exit__(self, *reason: object) -> None:
        self.hang_up()


def ids_in(text: str) -> list[int]:
    """The ids of the events in a part of a stream."""
    return [int(number) for number in re.findall(r"^id: (\d+)$", text, re.MULTILINE)]


def indexes_of(server: Server, task: str) -> list[int]:
    """Of all items of a task, read portion by portion."""
    found: list[int] = []
    cursor = ""
    while True:
        page = server.get(f"{TASKS}/results/{task}/items?limit=1000{cursor}")
        found += [each["index"] for each in page["items"]]
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"


@contextmanager
def serving(
    folder: Path,
    command: Sequence[str] = COMMAND,
    **variables: str,
) -> Iterator[Server]:
    """A server that is up; it and all that it has started are gone afterwards."""
    server = Server(folder, command, variables)
    try:
        server.start()
        yield server
    finally:
        server.end()


def free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        port: int = asked.getsockname()[1]
        return port
