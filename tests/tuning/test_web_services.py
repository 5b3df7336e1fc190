"""FastAPI, Flask and Django with one pool manager, behind their real servers."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from tests.kit.helpers import environment_of_scripts
from tests.kit.limits import LONG_S
from tests.kit.servers import (
    EXAMPLES,
    SERVERS,
    SYNC_SERVERS,
    Answer,
    Service,
    serving,
    wait_until,
)

for needed in ("fastapi", "uvicorn", "flask", "django"):
    pytest.importorskip(needed)
pytestmark = [
    pytest.mark.skipif(
        sys.platform == "win32", reason="gunicorn and SIGSTOP are of POSIX"
    ),
    pytest.mark.one_python,
]

REQUESTS = 50
LIMITS = [1000 + 20 * number for number in range(REQUESTS)]
PRIMES = [n for n in range(2, max(LIMITS)) if all(n % d for d in range(2, n))]
RIGHT: list[Answer] = [
    (200, {"limit": limit, "primes": sum(prime < limit for prime in PRIMES)})
    for limit in LIMITS
]
LONG_REQUEST = "/primes?limit=10000000&parts=1"  # more than a minute, in one task
BEGUN_S = 0.2  # of CPU time, which nothing but such a task takes

Start = Callable[..., Service]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts servers; they end quietly and leave no process, unless the test does."""
    log = tmp_path / "log"
    with ExitStack() as running:

        def started(command: list[str], max_workers: int = 2) -> Service:
            return running.enter_context(serving(command, log, max_workers))

        yield started


def ask_for_all(service: Service, clients: ThreadPoolExecutor) -> list[Future[Answer]]:
    paths = [f"/primes?limit={limit}" for limit in LIMITS]
    return [clients.submit(service.get, path) for path in paths]


def check_quiet_end(service: Service) -> None:
    assert service.end() == []
    assert service.log.read_text("utf-8") == ""


@pytest.mark.parametrize("name", SERVERS)
def test_fifty_requests_at_once_share_two_workers(start: Start, name: str) -> None:
    """Each gets its own answer, and health is answered while the workers stand still.

    A worker that is killed meanwhile costs the request that it worked for, and no
    other; then there is a new one.
    """
    service = start(SERVERS[name])
    workers = service.start_workers(2)

    check_that_health_is_answered_while_they_stand_still(service, workers)
    assert service.workers() == workers
    killed = check_that_a_killed_worker_costs_one_request(service, workers)
    left = service.workers() - {killed}
    assert left - workers
    assert len(left) <= 2
    check_quiet_end(service)


def check_that_health_is_answered_while_they_stand_still(
    service: Service, workers: set[psutil.Process]
) -> None:
    for worker in workers:
        worker.suspend()
    with ThreadPoolExecutor(REQUESTS) as clients:
        answers = ask_for_all(service, clients)
        wait_until(lambda: service.health()["calls"] == REQUESTS)
        health = service.health()
        held = [answer for answer in answers if not answer.done()]
        for worker in workers:
            worker.resume()

    assert health == {"status": "ok", "busy": 2, "calls": REQUESTS}
    assert len(held) == REQUESTS
    assert [answer.result() for answer in answers] == RIGHT


def check_that_a_killed_worker_costs_one_request(
    service: Service, workers: set[psutil.Process]
) -> psutil.Process:
    """Both have run tasks before, so only a task makes them compute now."""
    with ThreadPoolExecutor(REQUESTS + 1) as clients:
        doomed = clients.submit(service.get, LONG_REQUEST)
        victim = the_one_that_computes(workers)
        [other] = workers - {victim}
        other.suspend()
        answers = ask_for_all(service, clients)
        wait_until(lambda: service.health()["calls"] == REQUESTS + 1)
        victim.kill()
        other.resume()

    assert doomed.result()[0] == 503
    assert [answer.result() for answer in answers] == RIGHT
    return victim


def the_one_that_computes(workers: set[psutil.Process]) -> psutil.Process:
    before = {worker: worker.cpu_times().user for worker in workers}
    found: list[psutil.Process] = []

    def look() -> bool:
        found[:] = [
            worker
            for worker in workers
            if worker.cpu_times().user > before[worker] + BEGUN_S
        ]
        return bool(found)

    wait_until(look)
    [worker] = found
    return worker


@pytest.mark.parametrize("name", ["fastapi", "django"])
def test_sigterm_ends_workers_that_do_not_answer(start: Start, name: str) -> None:
    """A request that takes too long does not keep the service from ending."""
    service = start(SERVERS[name])
    workers = service.start_workers(2)
    for worker in workers:
        worker.suspend()

    with ThreadPoolExecutor(1) as clients:
        answer = clients.submit(service.get, "/primes?limit=1000")
        wait_until(lambda: service.health()["busy"] == 2)

        assert service.end() == []
        assert answer.exception() or answer.result()[0] >= 500


@pytest.mark.parametrize("name", SYNC_SERVERS)
def test_each_process_of_a_server_has_workers_of_its_own(
    start: Start, name: str
) -> None:
    """Forked after the application was loaded, with one request at a time."""
    service = start(SYNC_SERVERS[name], max_workers=1)

    with ThreadPoolExecutor(REQUESTS) as clients:
        answers = ask_for_all(service, clients)

    assert [answer.result() for answer in answers] == RIGHT
    parents = [worker.parent() for worker in service.workers()]
    owners = [parent.parent() for parent in parents if parent is not None]
    assert len(owners) == len({*owners}) <= 2
    assert psutil.Process(service.process.pid) not in owners
    check_quiet_end(service)


def test_a_client_that_hangs_up_ends_nobody_elses_work(start: Start) -> None:
    """Its own is ended with the worker, and the next request is answered."""
    service = start(SERVERS["fastapi"], max_workers=1)
    [worker] = service.start_workers(1)
    before = worker.cpu_times().user

    with socket.create_connection(("127.0.0.1", service.port)) as client:
        client.sendall(f"GET {LONG_REQUEST} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        wait_until(lambda: worker.cpu_times().user > before + BEGUN_S)

    wait_until(lambda: not worker.is_running())
    assert service.get("/primes?limit=100") == (200, {"limit": 100, "primes": 25})
    check_quiet_end(service)


def test_a_wrong_request_is_told_so(start: Start) -> None:
    """Nothing is computed."""
    service = start(SERVERS["flask"])

    for query in ("", "limit=many", "limit=1", "limit=99999999", "limit=9&parts=0"):
        assert service.get(f"/primes?{query}")[0] == 422
    assert service.workers() == set()
    check_quiet_end(service)


def test_a_management_command_has_workers_too(tmp_path: Path) -> None:
    """It prints what it was asked for, in order, and ends with its workers."""
    data = tmp_path / "numbers.txt"
    data.write_text("1000\n100\n", "utf-8")
    words = ["recount", "--data", f"{data}", "--workers", "2"]

    ended = subprocess.run(
        [sys.executable, "-W", "error", "django_app.py", *words],
        cwd=EXAMPLES,
        env=environment_of_scripts(),
        capture_output=True,
        encoding="utf-8",
        timeout=LONG_S,
    )

    assert ended.stdout == "1000: 168\n100: 25\n"
    assert ended.returncode == 0
    assert "Traceback" not in ended.stderr
