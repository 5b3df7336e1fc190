"""The guide for web services of Aqueduct runs with other import lines, as written.

Its text lies in `tests/house/document`. What is run are its own blocks of code.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
import pytest

from cotality.flow.aqueduct.exceptions import FlowError, NotRunningError
from cotality.flow.aqueduct.flow import Flow, FlowStep
from cotality.flow.aqueduct.sockets.flow import SocketFlow
from tests.flow import aqueduct_tasks
from tests.flow.limits import patient as patient  # for all tests of this file
from tests.kit.helpers import environment_of_scripts, wait_until
from tests.kit.limits import LONG_S
from tests.kit.programs import is_alive

DOCUMENT = Path(__file__).parents[1] / "house" / "document" / "shared-flow.rst"
REQUESTS = 1000
ENDED_S = 2.0  # that all processes get to be gone after the server

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="gunicorn"),
    pytest.mark.one_python,
]


def blocks() -> list[str]:
    """The blocks of Python code of the guide, with the import lines changed."""
    text = DOCUMENT.read_text("utf-8")
    found = re.findall(
        r"^ *\.\. code-block:: python\n((?:[ ]{4}.*\n|\s*\n)+)", text, re.MULTILINE
    )
    return [
        re.sub(r"^from aqueduct\b", "from cotality.flow.aqueduct", each, flags=re.M)
        for each in (textwrap.dedent(each) for each in found)
    ]


def write_service(folder: Path, *, is_shared: bool) -> None:
    flow, own_main, shared_main, config = blocks()
    (folder / "flow.py").write_text(flow, "utf-8")
    (folder / "main.py").write_text(shared_main if is_shared else own_main, "utf-8")
    (folder / "gunicorn_config.py").write_text(config, "utf-8")


@pytest.fixture
def runtime() -> Iterator[Path]:
    """The runtime folder of a user; the path of a socket has to be short."""
    with TemporaryDirectory(prefix="flow-") as folder:
        yield Path(folder)


@contextmanager
def running(
    command: list[str],
    folder: Path,
    runtime: Path,
    port: int,
    most: float = LONG_S,
) -> Iterator[psutil.Process]:
    """A server process, once it answers, within *most* seconds."""
    log = folder / "log"
    variables = {
        "SERVICE_HOST": "127.0.0.1",
        "SERVICE_PORT": str(port),
        "XDG_RUNTIME_DIR": str(runtime),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=folder,
            env=environment_of_scripts() | variables,
            stdout=output,
            stderr=output,
        )
    try:

        def answers() -> bool:
            assert process.poll() is None, log.read_text("utf-8")
            try:
                return ask(port, 1) == ["done"]
            except OSError:
                return False

        wait_until(answers, most)
        yield psutil.Process(process.pid)
    finally:
        if process.poll() is None:
            ended = psutil.Process(process.pid)
            for each in [*ended.children(recursive=True), ended]:
                if is_alive(each):
                    os.kill(each.pid, signal.SIGKILL)
        process.wait(LONG_S)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def ask(port: int, count: int) -> list[Any]:
    """The results of so many requests over one connection."""
    connection = HTTPConnection("127.0.0.1", port, timeout=LONG_S)
    try:
        results: list[Any] = []
        for _ in range(count):
            connection.request("GET", "/get_result")
            answer = connection.getresponse()
            assert answer.status == 200
            results.append(json.load(answer)["result"])
        return results
    finally:
        connection.close()


def test_the_guide_runs_behind_gunicorn_with_two_workers(
    tmp_path: Path, runtime: Path
) -> None:
    """A thousand requests are done; after SIGTERM nothing of it is left."""
    write_service(tmp_path, is_shared=True)
    port = free_port()
    command = ["gunicorn", "-c", "gunicorn_config.py"]
    with running(command, tmp_path, runtime, port) as server:
        with ThreadPoolExecutor(8) as threads:
            asked = [threads.submit(ask, port, REQUESTS // 8) for _ in range(8)]
            results = [result for each in asked for result in each.result()]
        assert results == ["done"] * REQUESTS
        children = server.children(recursive=True)
        assert len(children) >= 4
        sockets = list(runtime.rglob("*.sock"))
        assert len(sockets) == 1

        server.terminate()
        server.wait(LONG_S)
        end = time.monotonic() + ENDED_S
        while (left := [each for each in children if is_alive(each)]) and (
            time.monotonic() < end
        ):
            time.sleep(0.01)
        assert not left
        assert not list(runtime.rglob("*.sock"))


def test_the_guide_runs_with_a_flow_of_its_own(tmp_path: Path, runtime: Path) -> None:
    """As in its first form, behind uvicorn."""
    write_service(tmp_path, is_shared=False)
    port = free_port()
    command = ["uvicorn", "main:app", "--port", str(port), "--log-level", "warning"]
    with running(command, tmp_path, runtime, port) as server:
        assert ask(port, 10) == ["done"] * 10
        children = server.children(recursive=True)
        server.terminate()
        server.wait(LONG_S)
        wait_until(lambda: not any(is_alive(each) for each in children))


def test_options_mean_what_they_mean_there() -> None:
    """Conditions, batches, priorities, time limits and the figures of a task."""

    async def run() -> None:
        flow = Flow(
            FlowStep(
                aqueduct_tasks.Adds(1), nprocs=2, batch_size=4, batch_timeout=0.01
            ),
            FlowStep(aqueduct_tasks.Adds(10), handle_condition=aqueduct_tasks.is_small),
            aqueduct_tasks.Adds(100),
            queue_size=50,
            queue_priorities=2,
        )
        with pytest.raises(NotRunningError):
            await flow.process(aqueduct_tasks.Number(1))
        flow.start(timeout=LONG_S)
        try:
            small, large = aqueduct_tasks.Number(1), aqueduct_tasks.Number(50)
            large.set_priority(7)  # counts as the largest there is
            tasks = [small, large, *map(aqueduct_tasks.Number, range(60, 160))]
            assert all(await asyncio.gather(*map(flow.process, tasks)))
            assert small.value == 112
            assert [task.value for task in tasks[1:]] == [
                151,
                *(number + 101 for number in range(60, 160)),
            ]
            assert [name for name, _ in small.metrics.handle_times.items] == [
                *("step1_Adds", "step2_Adds", "step3_Adds", "total")
            ]
            names = [name for name, _ in large.metrics.transfer_times.items]
            assert names[0] == "p_7_from_main_process_to_step1_Adds"
            assert 1 <= small.metrics.batch_sizes.items[0][1] <= 4
            with pytest.raises(ZeroDivisionError):
                await flow.process(aqueduct_tasks.Number(0, divisor=0))
            with pytest.raises(FlowError, match=r"time was up|no answer"):
                await flow.process(aqueduct_tasks.Number(0, pause=0.5), timeout_sec=0.1)
        finally:
            await flow.stop(graceful=False)
        assert not flow.is_running

    asyncio.run(run())


def test_arrays_and_bytes_can_be_shared() -> None:
    """What a handler writes into a shared array is there for whoever sent it."""
    numpy = pytest.importorskip("numpy")

    async def run() -> None:
        flow = Flow(aqueduct_tasks.Fills())
        flow.start(timeout=LONG_S)
        try:
            task = aqueduct_tasks.Array(numpy.zeros(200_000))
            task.share_value("values")
            with pytest.raises(ValueError, match="no field"):
                task.share_value("other")
            task.text = "text"
            with pytest.raises(ValueError, match="str cannot be shared"):
                task.share_value("text")
            await flow.process(task)
            assert float(task.values.sum()) == 200_000.0
        finally:
            await flow.stop(graceful=False)

    asyncio.run(run())


def test_a_failed_task_raises_for_its_caller_alone() -> None:
    """Also behind a socket, where its time limit holds; the processes may be killed."""

    async def run(shared: SocketFlow) -> None:
        await shared.start()
        good, bad = aqueduct_tasks.Number(1), aqueduct_tasks.Number(1, divisor=0)
        with pytest.raises(ZeroDivisionError):
            await shared.process([good, bad])
        assert good.value == 2
        with pytest.raises(TimeoutError):
            await shared.process([aqueduct_tasks.Number(0, pause=0.5)], timeout_sec=0.1)
        assert await shared.process([good]) is True
        assert good.value == 3
        await shared.stop()

    shared = SocketFlow("numbers")
    context = shared.preload(Flow(aqueduct_tasks.Adds(1)), timeout=LONG_S)
    try:
        asyncio.run(run(shared))
        for process in context.processes:
            os.kill(process.pid, signal.SIGKILL)
        wait_until(lambda: not context.processes[0].is_alive())
    finally:
        context.server.stop(0.0)
    assert not context.server.path.exists()
