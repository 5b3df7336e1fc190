"""The service as people run it: real servers, real clients, real kills."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.kit.helpers import wait_until
from tests.kit.limits import LONG_S
from tests.kit.programs import is_alive
from tests.web.servers import (
    APP,
    GUNICORN,
    QUICK,
    TASKS,
    Server,
    ids_in,
    indexes_of,
    serving,
)

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="servers of the tests"),
    pytest.mark.one_python,
]

# An exit takes under 3 s; the rest is for a machine that does other things.
EXIT_S = 3.0 + 5.0
STREAMS = 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("service")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    """One that many tests share."""
    with serving(
        folder, SYNC_LIMIT_S="60", COMPARE_BUDGET_S="1.5", HEARTBEAT_S="0.2"
    ) as made:
        yield made


# The document.


DOCUMENT = """
curl -X POST "http://localhost:8001/api/v1/tasks/compare?items_count=1000&workers=4"

curl -X POST "http://localhost:8001/api/v1/tasks/sequential" \\
  -H "Content-Type: application/json" \\
  -d '{"items_count": 100, "workers": 1}'

curl -X POST "http://localhost:8001/api/v1/tasks/multiprocessing" \\
  -H "Content-Type: application/json" \\
  -d '{"items_count": 50000, "workers": 8}'

curl -X POST "http://localhost:8001/api/v1/tasks/background" \\
  -H "Content-Type: application/json" \\
  -d '{"items_count": 50000, "workers": 4}'

curl "http://localhost:8001/api/v1/tasks/status/task_abc123_1234567890"

curl "http://localhost:8001/api/v1/tasks/recommendations"

curl -X POST "http://localhost:8001/api/v1/tasks/compare?items_count=100&workers=4"

curl -X POST "http://localhost:8001/api/v1/tasks/compare?items_count=5000&workers=8"
"""


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_every_line_of_the_document_works_as_it_stands(server: Server) -> None:
    """But for the port. The id in it is a placeholder, as it says."""
    answered: dict[str, int] = {}
    for line in DOCUMENT.strip().split("\n\n"):
        line = line.replace(":8001", f":{server.port}")
        ended = subprocess.run(
            ["sh", "-c", f"{line} -sS --write-out '\n%{{http_code}}'"],
            capture_output=True,
            text=True,
            timeout=3 * LONG_S,
            check=True,
        )
        body, _, code = ended.stdout.rpartition("\n")
        path = line.split('"')[1].partition(TASKS)[2]
        answered[path] = int(code)
        if "compare" in path:
            told = json.loads(body)
            # On a machine that does other things it takes longer than one waits for.
            while "best_approach" not in told:
                told = server.ask("GET", f"{TASKS}/compare/{told['task_id']}").json
        elif code == "202":
            server.ask("DELETE", f"{TASKS}/{json.loads(body)['task_id']}")

    assert {path: answered[path] for path in answered if "compare" not in path} == {
        "/sequential": 202,  # a hundred queries of a second each
        "/multiprocessing": 202,
        "/background": 202,
        "/status/task_abc123_1234567890": 404,
        "/recommendations": 200,
    }


def test_pages_of_the_document_are_there(server: Server) -> None:
    """From the package, and from no other host."""
    for path in ("/", "/docs", "/redoc"):
        answer = server.ask("GET", path)
        assert answer.status in (200, 307)
        assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert server.get("/health")["serves"] == "this machine alone"


# Who hangs up, and who watches.


def busy_s(server: Server) -> float:
    """Seconds of a CPU that all of its processes have used so far."""
    total = 0.0
    for each in server.below():
        try:
            times = each.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total


def is_quiet(server: Server) -> bool:
    """Whether nothing computes any more, for half a second."""
    before = busy_s(server)
    time.sleep(0.5)
    return busy_s(server) - before < 0.15


def newest_in(server: Server) -> Any:
    """The task that was taken last; nothing if there is none."""
    found = server.get(f"{TASKS}/results?limit=1")["items"]
    return found[0] if found else {"total_items": 0}


def test_a_client_that_hangs_up_ends_its_task(server: Server) -> None:
    """Nothing of it goes on: no item, and no process."""
    config = {**QUICK, "items_count": 2999, "workers": 2}
    with server.connect("POST", f"{TASKS}/multiprocessing", config):
        wait_until(lambda: bool(newest_in(server)["total_items"] == 2999))
        task = newest_in(server)["task_id"]
        server.wait_for(task, "running")
    server.wait_for(task, "cancelled")
    wait_until(lambda: is_quiet(server))
    ended = server.status(task)
    assert ended["items_processed"] < 2999
    assert is_quiet(server)
    assert server.status(task) == ended


def test_a_task_is_cancelled_and_stops(server: Server) -> None:
    """As for one whose client has hung up."""
    task = server.start_task("background", items_count=50_000, workers=2)
    server.wait_for(task, "running")
    answer = server.ask("DELETE", f"{TASKS}/{task}")
    assert answer.status == 200
    server.wait_for(task, "cancelled")
    wait_until(lambda: is_quiet(server))


def test_events_are_resumed_after_a_cut(server: Server) -> None:
    """In order, without loss of what still matters, to the end."""
    task = server.start_task("background", items_count=1000, workers=2)
    path = f"{TASKS}/events/{task}"
    with server.connect("GET", path) as first:
        heard = ids_in(first.until('"running"'))
    with server.connect("GET", path, **{"Last-Event-ID": f"{heard[-1]}"}) as again:
        rest = again.until('"completed"')
    both = [*heard, *ids_in(rest)]
    assert both == sorted(set(both))
    assert '"items_processed":1000' in rest
    over = server.ask("GET", path, headers={"Last-Event-ID": f"{both[-1]}"})
    assert (over.status, over.body) == (204, b"")


def test_a_silent_stream_is_alive(server: Server) -> None:
    """So that no proxy takes it for dead."""
    slow = {"simulate_db_delay": True, "db_delay_s": 30.0}
    task = server.start_task("sequential", items_count=5, **slow)
    with server.connect("GET", f"{TASKS}/events/{task}") as stream:
        stream.until(": alive")
        server.ask("DELETE", f"{TASKS}/{task}")
        stream.until('"cancelled"')


def test_a_page_of_another_site_gets_nothing(server: Server) -> None:
    """Neither by a name that it made to mean this machine, nor from its own."""
    evil = f"evil.example:{server.port}"
    for headers in (
        {"Host": evil},
        {"Host": evil, "Origin": f"http://{evil}"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
    ):
        answer = server.ask("POST", f"{TASKS}/background", {}, headers)
        assert answer.status == 403, headers


def test_a_proxy_that_says_so_is_not_from_here(server: Server) -> None:
    """Nor does anybody believe what it says of its client."""
    headers = {"X-Forwarded-For": "127.0.0.1"}
    assert server.ask("GET", "/health", headers=headers).status == 403


# Several servers.


def test_two_servers_on_one_store_see_the_same_tasks(
    server: Server, folder: Path
) -> None:
    """Status, events and cancel work from either; one worker is enough for both."""
    with serving(folder) as other:
        task = server.start_task("background", items_count=50_000, workers=2)
        with other.connect("GET", f"{TASKS}/events/{task}") as stream:
            stream.until('"running"')
            assert other.status(task)["status"] == "running"
            assert not workers_of(other)
            assert len(workers_of(server)) == 1
            assert other.ask("DELETE", f"{TASKS}/{task}").status == 200
            stream.until('"cancelled"')
        server.wait_for(task, "cancelled")


def workers_of(server: Server) -> list[psutil.Process]:
    """The workers of jobs that it has started."""
    assert server.process is not None
    return [
        each
        for each in server.process.children()
        if "cotality.web.work:jobs" in each.cmdline()
    ]


ITEMS = 1500


def test_a_task_outlives_its_servers(tmp_path: Path) -> None:
    """One ends in time, one is killed, and the third one has all of its items.

    The first one is gunicorn with two web workers, which are one service.
    """
    with serving(tmp_path, [*GUNICORN, "2", APP]) as server:
        task = server.start_task("background", items_count=ITEMS, workers=2)
        for _ in range(20):  # each by a new connection, which either may take
            server.status(task)
        wait_until(lambda: answered_by(server, "/api/v1/tasks/status/{task_id}") >= 20)
        wait_until(lambda: server.status(task)["items_processed"] > 0)
        check_exit(server, task)
        assert "Traceback" not in server.output
    with serving(tmp_path) as server:
        before = server.status(task)
        assert before["status"] in ("pending", "running")
        assert before["items_processed"] > 0
        wait_until(
            lambda: server.status(task)["items_processed"] > before["items_processed"]
        )
        below = server.below()
        server.signal(signal.SIGKILL)
        server.wait()
    with serving(tmp_path) as server:
        done = server.wait_for(task, "completed")
        assert (done["items_processed"], done["items_failed"]) == (ITEMS, 0)
        assert indexes_of(server, task) == list(range(ITEMS))
        assert not any(map(is_alive, below))
        waits = server.start_task("background", items_count=50_000, workers=2)
        check_exit(server, waits)
        assert "Traceback" not in server.output


def answered_by(server: Server, route: str) -> float:
    """How many requests for a route all web workers have answered."""
    lines = server.ask("GET", "/metrics").body.decode().splitlines()
    begin = f'cotality_web_requests_total{{method="GET",route="{route}"'
    return sum(float(line.split()[-1]) for line in lines if line.startswith(begin))


def check_exit(server: Server, task: str) -> None:
    """That it ends in time, although many wait for what *task* comes to."""
    with ExitStack() as links:
        streams = [
            links.enter_context(server.connect("GET", f"{TASKS}/events/{task}"))
            for _ in range(STREAMS)
        ]
        for stream in streams:
            stream.until("id: ")
        slow = {"items_count": 9, "db_delay_s": 1.0}
        waits = links.enter_context(server.connect("POST", f"{TASKS}/auto", slow))
        wait_until(lambda: bool(newest_in(server)["total_items"] == 9))
        began = time.monotonic()
        left = server.stop()
        took = time.monotonic() - began
        assert not left
        for stream in streams:
            assert stream.rest().endswith("0\r\n\r\n")  # it is complete
        assert waits.rest().startswith("HTTP/1.1 202")  # it was told where to look
        assert took < EXIT_S


# With keys.


KEY = "a-key-of-the-tests-0123456789"


def test_a_service_with_keys(tmp_path: Path) -> None:
    """What is refused is refused by the real server as well, whatever is sent."""
    with serving(
        tmp_path,
        API_KEYS=f"ada:{KEY}",
        WORKERS="outside",
        RATE_PER_MINUTE="100",
        BODY_LIMIT="65536",
    ) as server:
        mine = {"X-API-Key": KEY}
        path = f"{TASKS}/background"
        assert server.ask("POST", path, QUICK).status == 401
        assert server.ask("POST", path, QUICK, {"X-API-Key": KEY + "x"}).status == 401
        assert server.ask("POST", path, QUICK, mine).status == 202
        assert server.ask("POST", path, {"x": "y" * 70_000}, mine).status == 413
        for count in (0, 100_001, -1, "x", float("nan")):
            answer = server.ask("POST", path, {"items_count": count}, mine)
            assert answer.status == 422, count
        used = 1 + 1 + 5
        for _ in range(100 - used):
            assert server.ask("GET", f"{TASKS}/", headers=mine).status == 200
        refused = server.ask("GET", f"{TASKS}/", headers=mine)
        assert refused.status == 429
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert server.ask("GET", "/health/live").status == 200


def shortened(text: str) -> str:
    """The report, with no more than the begin of each line."""
    return "\n".join(line[:500] for line in text.splitlines())[-20_000:]


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One whose worker has something to do for long, so that all else only waits."""
    with serving(
        tmp_path_factory.mktemp("busy"),
        API_KEYS=f"ada:{KEY}",
        RATE_PER_MINUTE="1000000",
        TASKS_AT_ONCE="1",
        QUEUE_LIMIT="10000",
        TASKS_PER_OWNER="10000",
        SYNC_LIMIT_S="0.02",
        COMPARE_BUDGET_S="0.02",
        STREAM_S="0.2",
    ) as server:
        slow = {"items_count": 100_000, "workers": 1, "db_delay_s": 60.0}
        mine = {"X-API-Key": KEY}
        assert server.ask("POST", f"{TASKS}/sequential", slow, mine).status == 202
        query = "&".join(f"{name}={value}" for name, value in slow.items())
        path = f"{TASKS}/compare?budget_s=3600&{query}"
        assert server.ask("POST", path, None, mine).status == 202
        yield server


FEW = f"{TASKS}/(sequential|threading|multiprocessing|async)"


# In parts, because one test may not take too long on a machine that does other things.
# What follows from an answer is tried where the routes for that are.
@pytest.mark.parametrize(
    ("paths", "phases"),
    [
        (f"^{FEW}", "coverage,fuzzing"),
        (f"^(?!{FEW}){TASKS}", "coverage,fuzzing,stateful"),
        (f"^(?!{TASKS})", "coverage,fuzzing,stateful"),
    ],
    ids=["some-methods", "tasks", "others"],
)
def test_the_service_keeps_what_its_openapi_promises(
    busy: Server, tmp_path: Path, paths: str, phases: str
) -> None:
    """Asked for all that it allows, and for what it does not, with all checks."""
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run"),
            f"http://127.0.0.1:{busy.port}/openapi.json",
            *("--header", f"X-API-Key: {KEY}", "--include-path-regex", paths),
            *("--phases", phases, "--max-examples", "2", "--seed", "1"),
            *("--generation-database", "none", "--no-color"),
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONWARNINGS": ""},
        capture_output=True,
        text=True,
        timeout=3 * LONG_S,
    )
    assert ended.returncode == 0, shortened(ended.stdout) + busy.output[-5000:]
    assert "Traceback" not in busy.output
