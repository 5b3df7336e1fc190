"""Web services whose web workers share a flow, behind their real servers."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from cotality.flow import FlowClient, FlowServer
from tests.flow import web_service
from tests.flow.handlers import notes, wait_for_notes
from tests.kit.helpers import output_of, wait_until
from tests.kit.limits import LONG_S
from tests.kit.servers import EXAMPLES, GUNICORN, UVICORN, Service, serving

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="gunicorn"),
    pytest.mark.one_python,
]


def test_two_web_workers_share_the_workers_of_a_flow(tmp_path: Path) -> None:
    """Both get answers of the same ones, and of new ones when those were killed."""
    with (
        TemporaryDirectory(prefix="flow-") as runtime,
        serving(
            [*GUNICORN, "-c", "gunicorn_config.py"],
            tmp_path / "log",
            max_workers=1,
            folder=EXAMPLES / "flow",
            variables={"XDG_RUNTIME_DIR": runtime},
        ) as service,
    ):

        def pid() -> int:
            status, answer = service.get("/words?text=one+two")
            assert (status, answer["words"]) == (200, 2)
            return int(answer["pid"])

        first = {pid() for _ in range(30)}
        assert len(first) <= 2
        for each in first:
            os.kill(each, signal.SIGKILL)
        wait_until(lambda: service.get("/health")[0] == 200)
        wait_until(lambda: not first & {pid() for _ in range(10)})
        url = f"http://127.0.0.1:{service.port}/metrics"
        with urllib.request.urlopen(url) as answer:
            assert b'cotality_flow_calls_total{outcome="value"}' in answer.read()
        assert list(Path(runtime).rglob("*.sock"))
        assert not service.end()
        assert not list(Path(runtime).rglob("*.sock"))


def test_photos_are_classified_behind_two_web_workers(tmp_path: Path) -> None:
    """Each gets its label; a worker that is killed costs what it was at; see /flow."""
    pytest.importorskip("numpy")
    photos = tmp_path / "photos"
    made = output_of(
        [sys.executable, "-m", "cotality.flow.examples", str(photos)], tmp_path
    )
    assert made == "200 photos\n"
    with (
        TemporaryDirectory(prefix="flow-") as runtime,
        serving(
            [*GUNICORN, "-c", "gunicorn_photos.py"],
            tmp_path / "log",
            max_workers=1,
            folder=EXAMPLES / "flow",
            variables={"XDG_RUNTIME_DIR": runtime, "PHOTOS": str(photos)},
        ) as service,
    ):

        def load() -> Counter[str]:
            script = str(EXAMPLES / "flow" / "load.py")
            told = output_of(
                [sys.executable, script, str(service.port), str(photos)], tmp_path
            )
            assert told.startswith("200 photos, ")
            found = re.findall(r"(\d+) (\w+)", told.partition(": ")[2])
            return Counter({label: int(count) for count, label in found})

        assert load() == dict.fromkeys(["dark", "red", "green", "blue"], 50)
        (path,) = Path(runtime).rglob("*.sock")
        client: FlowClient[str, str] = FlowClient(path)
        before = client.status().steps
        assert before[1].batch_size > 1
        with ThreadPoolExecutor(1) as threads:
            loading = threads.submit(load)
            wait_until(lambda: client.status().steps[0].items > before[0].items)
            os.kill(before[0].pids[0], signal.SIGKILL)
            told = loading.result()
        assert sum(told.values()) == 200
        assert told["503"] <= 1
        wait_until(lambda: client.status().steps[0].restarts == 1)
        client.close()
        url = f"http://127.0.0.1:{service.port}/flow"
        with urllib.request.urlopen(url) as answer:
            page = answer.read().decode()
        assert "<h2>decode " in page
        assert re.search(r"restarts</dt><dd>1</dd>", page)
        assert "://" not in page
        assert service.get("/label?name=none.ppm")[0] == 404
        assert not service.end()


# A service whose flow does as it is told.

GUNICORN_CONFIG = """
from cotality.flow.gunicorn import hooks

wsgi_app = "tests.flow.web_service:asgi()"
worker_class = "uvicorn.workers.UvicornWorker"
workers = 2
on_starting, on_exit = hooks("tests.flow.web_service:flow")
"""
# Threads, as Flask and Django have them.
THREADS_CONFIG = GUNICORN_CONFIG.replace("asgi", "wsgi").replace(
    '"uvicorn.workers.UvicornWorker"', '"gthread"\nthreads = 40'
)


@contextmanager
def by_gunicorn(folder: Path, variables: Mapping[str, str]) -> Iterator[Service]:
    yield from served(folder, GUNICORN_CONFIG, variables)


@contextmanager
def by_threads(folder: Path, variables: Mapping[str, str]) -> Iterator[Service]:
    pytest.importorskip("flask")
    yield from served(folder, THREADS_CONFIG, variables)


def served(
    folder: Path, config: str, variables: Mapping[str, str]
) -> Iterator[Service]:
    (folder / "gunicorn_config.py").write_text(config, "utf-8")
    command = [*GUNICORN, "-c", "gunicorn_config.py"]
    with serving(command, folder / "log", 1, folder=folder, variables=variables) as it:
        yield it


@contextmanager
def by_uvicorn(folder: Path, variables: Mapping[str, str]) -> Iterator[Service]:
    """Whose flow is a program of its own."""
    command = [*UVICORN, "--workers", "2", "--factory", "tests.flow.web_service:asgi"]
    path = Path(variables["XDG_RUNTIME_DIR"]) / "own" / "flow.sock"
    os.environ["FLOW_NOTES"] = variables["FLOW_NOTES"]
    with FlowServer.serve(web_service.flow(), path) as server:
        told = {**variables, "COTALITY_FLOW_SOCKET": str(server.path)}
        with serving(command, folder / "log", 1, folder=folder, variables=told) as it:
            yield it


Serve = Callable[[Path, Mapping[str, str]], Any]


class Told:
    """A service, the flow behind it, and where that notes what it has handled."""

    def __init__(self, service: Service, runtime: Path, folder: Path) -> None:
        self.service = service
        (path,) = runtime.rglob("*.sock")
        self.client: FlowClient[Any, Any] = FlowClient(path)
        self.folder = folder

    def order(self, what: str, argument: str) -> Any:
        status, answer = self.service.get(f"/order?what={what}&argument={argument}")
        assert status == 200
        return answer

    def ask(self, what: str, argument: str) -> socket.socket:
        """Send a request, and do not wait for what comes of it."""
        end = socket.create_connection(("127.0.0.1", self.service.port), LONG_S)
        request = f"GET /order?what={what}&argument={argument} HTTP/1.1\r\n"
        end.sendall(f"{request}Host: here\r\nConnection: close\r\n\r\n".encode())
        return end


@contextmanager
def telling(serve: Serve, folder: Path) -> Iterator[Told]:
    with TemporaryDirectory(prefix="flow-") as runtime:
        variables = {"XDG_RUNTIME_DIR": runtime, "FLOW_NOTES": str(folder)}
        with serve(folder, variables) as service:
            told = Told(service, Path(runtime), folder)
            yield told
            told.client.close()
            assert not service.end()


@pytest.mark.parametrize("serve", [by_gunicorn, by_uvicorn, by_threads])
def test_all_web_workers_of_any_server_reach_the_flow(
    serve: Serve, tmp_path: Path
) -> None:
    """Each request has what is its own; a client that hangs up takes its item along."""
    with telling(serve, tmp_path) as told:
        if serve is not by_threads:  # which cannot be told of that
            see_who_hangs_up(told, tmp_path / "gate")
        pids: set[int] = set()
        wait_until(lambda: has_asked_both(told, pids))
        os.kill(told.client.status().steps[0].pids[0], signal.SIGKILL)
        wait_until(lambda: told.client.status().steps[0].restarts == 1)
        assert told.order("return", "again")["result"] == "again"


def has_asked_both(told: Told, pids: set[int]) -> bool:
    """Ask many times at once; whether both web workers have answered by now."""
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda n: told.order("return", f"{n}"), range(100)))
    assert [answer["result"] for answer in answers] == list(map(str, range(100)))
    pids.update(answer["pid"] for answer in answers)
    return len(pids) == 2


def see_who_hangs_up(told: Told, gate: Path) -> None:
    """Of what waits just those are handled that a client still waits for."""
    first = told.ask("wait", str(gate))
    wait_for_notes(told.folder, 1)
    ends = [told.ask("return", f"{number}") for number in range(40)]
    wait_until(lambda: told.client.status().in_flight == 41)
    began = time.perf_counter()
    for end in ends[::2]:
        end.close()
    wait_until(lambda: told.client.status().in_flight == 21)
    print(f"{len(ends[::2])} items left {time.perf_counter() - began:.3f} s after")
    assert told.client.status().outcomes["cancelled"] == 20
    gate.touch()
    kept = [json.loads(body_of(end))["result"] for end in ends[1::2]]
    assert kept == [str(number) for number in range(1, 40, 2)]
    assert body_of(first)
    handled = Counter(notes(told.folder)[1:])
    assert handled == Counter(f"return:{number}" for number in range(1, 40, 2))


def body_of(end: socket.socket) -> bytes:
    """The body of an answer that comes at last."""
    with end, end.makefile("rb") as answer:
        head, _, body = answer.read().partition(b"\r\n\r\n")
    assert b" 200 OK" in head.splitlines()[0]
    return body
