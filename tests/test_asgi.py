"""The web service of the documentation, behind its real server."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.helpers import environment_of_scripts
from tests.limits import GONE_S, LONG_S, POLL_S
from tests.programs import is_alive

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"
REQUESTS = 50
START_S = 0.2  # of CPU time; a worker takes a tenth of that to start


class Service:
    """A server process, and what it answers."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process = process
        self.port = port

    def get(self, path: str) -> Any:
        url = f"http://127.0.0.1:{self.port}{path}"
        with urllib.request.urlopen(url, timeout=LONG_S) as answer:
            return json.load(answer)

    def worker_pids(self) -> set[int]:
        """Its worker processes: what its only fork server has started."""
        children = psutil.Process(self.process.pid).children()
        return {each.pid for child in children for each in child.children()}

    def computing_pids(self) -> set[int]:
        """Those of them that have used more CPU time than it takes to start."""
        found: set[int] = set()
        for pid in self.worker_pids():
            try:
                if psutil.Process(pid).cpu_times().user > START_S:
                    found.add(pid)
            except psutil.NoSuchProcess:
                continue
        return found

    def is_up(self) -> bool:
        try:
            return bool(self.get("/health") == {"status": "ok"})
        except urllib.error.URLError:
            return False


@pytest.fixture
def service() -> Iterator[Service]:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "fastapi_app:app"]
    process = subprocess.Popen(
        [
            *command,
            "--host",
            "127.0.0.1",
            "--port",
            f"{port}",
            "--log-level",
            "warning",
        ],
        cwd=EXAMPLES,
        env=environment_of_scripts(),
    )
    service = Service(process, port)
    end = time.monotonic() + LONG_S
    while not service.is_up():
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(POLL_S)
    yield service
    children = psutil.Process(process.pid).children(recursive=True)
    process.terminate()
    process.wait(LONG_S)
    psutil.wait_procs(children, GONE_S)
    assert not [child for child in children if is_alive(child)]


def test_a_service_answers_many_requests_at_once(service: Service) -> None:
    """Each gets its own answer, and others are answered while all of them compute.

    All of them share two worker processes.
    """
    limits = [1000 + 20 * i for i in range(REQUESTS)]
    health: list[Any] = []
    pids: set[int] = set()

    with ThreadPoolExecutor(REQUESTS) as pool:
        answers = [pool.submit(service.get, f"/primes?limit={n}") for n in limits]
        while not all(answer.done() for answer in answers):
            health.append(service.get("/health"))
            pids |= service.worker_pids()

    primes = [n for n in range(2, max(limits)) if all(n % d for d in range(2, n))]
    assert [answer.result() for answer in answers] == [
        {"limit": limit, "primes": sum(prime < limit for prime in primes)}
        for limit in limits
    ]
    assert health.count({"status": "ok"}) == len(health) > 0
    assert len(pids | service.worker_pids()) == 2


def test_a_client_that_hangs_up_ends_nobody_elses_work(service: Service) -> None:
    """Its own is ended with the workers, and the next request is answered."""
    with socket.create_connection(("127.0.0.1", service.port)) as client:
        client.sendall(b"GET /primes?limit=1000000 HTTP/1.1\r\nHost: x\r\n\r\n")
        end = time.monotonic() + LONG_S
        while len(busy := service.computing_pids()) < 2:
            assert time.monotonic() < end
            time.sleep(POLL_S)

    while service.worker_pids() & busy:
        assert time.monotonic() < end
        time.sleep(POLL_S)
    assert service.get("/primes?limit=100") == {"limit": 100, "primes": 25}
