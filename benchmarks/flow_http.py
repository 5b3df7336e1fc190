"""Web services with and without a flow behind them, and the client that asks them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.flow_driver import LEAST_CALLS, closed_loop, say

ROOT = Path(__file__).parents[1]
REQUEST = b"GET /item HTTP/1.1\r\nHost: localhost\r\n\r\n"
START_LIMIT = 50.0  # s

PLAIN, WITH_OURS = "HTTP: FastAPI alone", "HTTP: FastAPI and FlowClient"
WITH_SOCKET_FLOW = "HTTP: FastAPI and Aqueduct SocketFlow"
WITH_DIRTY = "HTTP: FastAPI and gunicorn's dirty workers"
KINDS = {PLAIN: "plain", WITH_OURS: "ours", WITH_SOCKET_FLOW: "sockets"}
KINDS |= {WITH_DIRTY: "dirty"}


async def drive_http(name: str) -> None:
    with tempfile.TemporaryDirectory(prefix="flow-") as folder:
        port = free_port()
        server = start(KINDS[name], port, folder)
        try:
            await wait_until_up(port)
            say({"ready": True})
            loop = asyncio.get_running_loop()
            while line := await loop.run_in_executor(None, sys.stdin.readline):
                say(await measured(port, **json.loads(line)))
        finally:
            server.send_signal(signal.SIGTERM)
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)


def start(kind: str, port: int, folder: str) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "FLOW_BENCH": kind,
        "FLOW_BENCH_BIND": f"127.0.0.1:{port}",
        "FLOW_BENCH_FOLDER": folder,
        "_SOCKET_PATH": f"{folder}/aqueduct",
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "ignore",
    }
    config = str(Path(__file__).with_name("flow_gunicorn.py"))
    return subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "-c", config, "--log-level", "error"],
        env=environment,
        cwd=ROOT,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
    )


async def measured(port: int, callers: int, seconds: float) -> dict[str, float]:
    """As for any contender; what is not answered with a 200 is counted apart."""
    connections = [await connection_to(port) for _ in range(callers)]
    idle = list(connections)
    failed = 0

    async def call(item: Any) -> None:
        nonlocal failed
        connection = idle.pop()
        failed += not await connection.ask()
        idle.append(connection)

    try:
        found = await closed_loop(call, callers, iter(int, 1), seconds)
    finally:
        for connection in connections:
            connection.transport.close()
    good = 1 - failed / max(found["calls"], LEAST_CALLS)
    return found | {"per_second": found["per_second"] * good, "failed": failed}


class Connection(asyncio.Protocol):
    """One that is kept alive, with one request at a time."""

    transport: Any  # a transport, once it is connected
    answer: asyncio.Future[bool]

    def __init__(self) -> None:
        self.data = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def ask(self) -> asyncio.Future[bool]:
        self.answer = asyncio.get_running_loop().create_future()
        self.transport.write(REQUEST)
        return self.answer

    def data_received(self, data: bytes) -> None:
        self.data += data
        head, found, body = self.data.partition(b"\r\n\r\n")
        if not found:
            return
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line[15:])
        if len(body) >= length and not self.answer.done():
            self.data = b""
            self.answer.set_result(head[9:12] == b"200")

    def connection_lost(self, error: BaseException | None) -> None:
        answer = getattr(self, "answer", None)
        if answer is not None and not answer.done():
            answer.set_result(False)


async def connection_to(port: int) -> Connection:
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(Connection, "127.0.0.1", port)
    return connection


async def wait_until_up(port: int) -> None:
    async with asyncio.timeout(START_LIMIT):
        while True:
            try:
                connection = await connection_to(port)
            except OSError:
                await asyncio.sleep(0.1)
                continue
            is_up = await connection.ask()
            connection.transport.close()
            if is_up:
                return
            await asyncio.sleep(0.1)


def free_port() -> int:
    with socket.socket() as end:
        end.bind(("127.0.0.1", 0))
        port: int = end.getsockname()[1]
        return port
